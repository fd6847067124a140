-- People who sign in, what they did, and raw bodies that are encrypted.

-- FACT. Clicks or orders came from a file (hissa import): those from first up to this row, booked together
-- with it. Their times are the file's, told by another server's clock.
CREATE TABLE imports (
  seq   INTEGER PRIMARY KEY,
  at    INTEGER NOT NULL,  -- when they were brought
  what  TEXT NOT NULL CHECK (what IN ('clicks', 'orders')),
  first INTEGER NOT NULL,  -- from this place of the chain on
  who   TEXT NOT NULL,     -- whose command it was: the user's name on the machine
  hash  BLOB NOT NULL
) STRICT;
CREATE INDEX imports_of ON imports (what, seq);
CREATE TRIGGER imports_stay BEFORE UPDATE ON imports BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER imports_remain BEFORE DELETE ON imports BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
