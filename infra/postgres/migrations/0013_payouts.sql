-- Payouts are taken up as pushes are: one table of claims for all that is handed to Safaricom.
ALTER TABLE mpesa.push_claims RENAME TO request_claims;
ALTER TABLE mpesa.request_claims RENAME COLUMN push_id TO request_id;
