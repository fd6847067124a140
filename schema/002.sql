-- QUEUED. Messages to hand on to the shop, byte for byte ([paytm] forward). Each is handed on once,
-- however often it came. Its body goes when the shop has taken it; the row stays 30 days, so that
-- `hissa explain` can tell.
CREATE TABLE forwards (
  id           INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,     -- when it came
  subject      TEXT NOT NULL,        -- as in notifications; '' for a message that was refused
  digest       BLOB NOT NULL UNIQUE, -- SHA-256 of the body: tells a repeat
  content_type TEXT NOT NULL,        -- as it came
  body         BLOB,                 -- NULL once the shop has taken it
  tries        INTEGER NOT NULL,
  next_at      INTEGER,              -- NULL when it was taken, or given up
  said         TEXT NOT NULL,        -- what came of the last try, in words
  ended_at     INTEGER               -- when it was taken, or given up
) STRICT;
CREATE INDEX forwards_due ON forwards (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX forwards_about ON forwards (subject);
CREATE INDEX forwards_ended ON forwards (ended_at) WHERE ended_at IS NOT NULL;

-- COUNTED. What each comparison of Paytm's list with the books came to (`hissa reconcile`, and once a day
-- by itself). What was found and healed stands in the books like any message.
CREATE TABLE reconciliations (
  id         INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  from_at    INTEGER NOT NULL, -- the period, half-open
  to_at      INTEGER NOT NULL,
  source     TEXT NOT NULL,    -- Paytm's API, or a report
  listed     INTEGER NOT NULL, -- successful payments and refunds in the list
  missing    INTEGER NOT NULL, -- payments in it that the books lacked
  mismatched INTEGER NOT NULL, -- payments that the books had otherwise, and rows that can't be read
  unrefunded INTEGER NOT NULL, -- refunds that the books lacked
  unlisted   INTEGER NOT NULL, -- payments of the books that the list lacks
  error      TEXT NOT NULL     -- why it did not come to its end; '' when it did
) STRICT;
