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
