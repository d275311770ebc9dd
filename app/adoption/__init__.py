"""Moving in: members, balances and running loans from the files of an older system."""
