-- A moment is found in the log by the ranges of this index. New ranges are noted as soon as they are
-- full, not when the next vacuum comes by: a range that is not noted is looked through.
ALTER INDEX event_store.events_recorded_at SET (autosummarize = on);
