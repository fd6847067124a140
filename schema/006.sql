-- Raw messages that are encrypted, people who sign in and what they did, and what came from a file.

-- Raw messages that are sealed (seal.go): key is the first four bytes of the SHA-256 of the key that did it,
-- NULL for a message that is not. The body is then nonce (12 bytes), AES-256-GCM of what packing says, tag
-- (16), and opens only in the row that it was sealed for, by its MAC or its digest.
ALTER TABLE bodies ADD COLUMN key BLOB;
CREATE INDEX bodies_by_key ON bodies (key) WHERE key IS NOT NULL;
ALTER TABLE forwards ADD COLUMN key BLOB; -- NULL again once the shop has taken the message
CREATE INDEX forwards_by_key ON forwards (key) WHERE key IS NOT NULL;

-- PERSONAL. Who signs in to the pages: the shop's own people, and partners.
CREATE TABLE people (
  id          INTEGER PRIMARY KEY,
  email       TEXT NOT NULL COLLATE NOCASE,
  name        TEXT NOT NULL,     -- as others call them, '' where nobody said
  partner     TEXT NOT NULL,     -- whose portal it is; '' for the shop's own people
  role        TEXT NOT NULL CHECK (role IN ('owner', 'finance', 'viewer', 'partner')),
  password    TEXT NOT NULL,     -- argon2id with its salt and cost; '' until a link was used
  totp        BLOB NOT NULL,     -- the secret that codes are made from; empty for none
  totp_step   INTEGER NOT NULL,  -- the last step whose code was taken: it is taken once
  created_at  INTEGER NOT NULL,
  seen_at     INTEGER,           -- last signed in
  disabled_at INTEGER,
  CHECK ((partner = '') = (role <> 'partner'))
) STRICT;
CREATE UNIQUE INDEX people_of_shop ON people (email) WHERE partner = '';
CREATE UNIQUE INDEX people_of_portal ON people (email) WHERE partner <> '';
CREATE UNIQUE INDEX people_of_partner ON people (partner) WHERE partner <> '';

-- Links that let somebody in, once. One that invites is for choosing a password and lasts a week; one that a
-- partner had mailed signs in as a password does, and lasts some minutes. Kept as SHA-256 only.
CREATE TABLE links (
  hash    BLOB PRIMARY KEY,
  person  INTEGER NOT NULL REFERENCES people (id),
  at      INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  used_at INTEGER,
  mailed  INTEGER NOT NULL  -- 1: it only signs in
) STRICT, WITHOUT ROWID;
CREATE INDEX links_of ON links (person);

-- Who is signed in, and where: kept as SHA-256 of what the browser's cookie holds. Books that were put back
-- from a copy or a backup have none: whoever was signed in signs in again.
CREATE TABLE sessions (
  hash     BLOB PRIMARY KEY,
  person   INTEGER NOT NULL REFERENCES people (id),
  at       INTEGER NOT NULL,
  seen_at  INTEGER NOT NULL,  -- within five minutes
  ends_at  INTEGER NOT NULL,  -- however often it is used
  again_at INTEGER,           -- when the password was given again
  waits    INTEGER NOT NULL   -- 1: the password was right, the code is still to come
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (person);

-- Who did what, by page or command, in the transaction that does it. Never changed; beside the chain,
-- because it holds people's names.
CREATE TABLE acts (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  who     TEXT NOT NULL,
  act     TEXT NOT NULL,  -- what was done, as the pages' words have it
  about   TEXT NOT NULL,  -- a TXNID, a partner's code, a statement's id, …
  note    TEXT NOT NULL,  -- the reason, the reference
  network TEXT NOT NULL   -- where from; '' for the command line
) STRICT;
CREATE INDEX acts_about ON acts (about);
CREATE TRIGGER acts_are_kept BEFORE UPDATE ON acts BEGIN SELECT RAISE (ABORT, 'what was done is never changed'); END;
CREATE TRIGGER acts_stand BEFORE DELETE ON acts BEGIN SELECT RAISE (ABORT, 'what was done is never deleted'); END;

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

-- What pages look for. An ordinary payment is in none of these indexes: they cost the webhook's way nothing
-- but a look at two texts.
CREATE INDEX transactions_in_conflict ON transactions (paid_at) WHERE conflict <> '';
CREATE INDEX transactions_blocked ON transactions (paid_at)
  WHERE blocks <> '' AND blocks <> 'unconfirmed' AND void = 0 AND payout = 0;
-- Money that a customer disputes, paid out or not; and what a success was reported of and the gateway's API denies.
CREATE INDEX transactions_disputed ON transactions (paid_at)
  WHERE blocks <> '' AND blocks <> 'unconfirmed' AND instr(blocks, 'dispute') > 0;
CREATE INDEX transactions_denied ON transactions (paid_at) WHERE void = 1 AND confirmation = 'denied';
CREATE INDEX notifications_for_review ON notifications (at) WHERE result = 'review';
CREATE INDEX notifications_of_refunds ON notifications (at) WHERE kind = 'refund';
CREATE INDEX forwards_given_up ON forwards (at) WHERE next_at IS NULL AND body IS NOT NULL;
CREATE INDEX clicks_with_sub ON clicks (partner) WHERE sub <> '';

-- A payment as every list of payments shows it (scanLine reads it in this order).
CREATE VIEW payment_lines AS
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse,
       commission, reversed, void, rate_bps, flat, program, due_at, blocks, payout
  FROM transactions;

-- COUNTED. Payments that the gateway's API is not asked about any more though it has not settled them. Some
-- may have been settled since: who reads this looks at the payment too.
CREATE TABLE given_up (
  txn INTEGER PRIMARY KEY REFERENCES transactions (id)
) STRICT;
INSERT INTO given_up (txn)
SELECT id
  FROM transactions t
 WHERE confirmation = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM polls p WHERE p.txn = t.id);

-- PERSONAL, like the bodies it comes from. By what a payment is found that a customer names by the bank's
-- reference (RRN, BANKTXNID). It is filled beside the webhook's way, many messages at once.
CREATE TABLE banks (
  bank         INTEGER NOT NULL,  -- the day in India of the receipt times 2^40, plus 40 bits of a keyed hash
  notification INTEGER NOT NULL,  -- notifications.seq
  PRIMARY KEY (bank, notification)
) STRICT, WITHOUT ROWID;
-- Up to which message that has been done.
CREATE TABLE banks_done (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL
) STRICT;
INSERT INTO banks_done VALUES (1, 0);

-- Which payouts went into a file for the bank.
CREATE INDEX steps_by_way ON steps (way) WHERE way <> '';

-- PERSONAL. Who would like to become a partner (the page /join). Those who were turned down are deleted half a
-- year after they applied.
CREATE TABLE applications (
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  name   TEXT NOT NULL,
  email  TEXT NOT NULL COLLATE NOCASE,
  mobile TEXT NOT NULL,
  places TEXT NOT NULL,  -- where they would share links
  note   TEXT NOT NULL,
  code   TEXT NOT NULL,  -- the one they would like; once accepted, the one they have
  state  TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'refused'))
) STRICT;
CREATE INDEX applications_open ON applications (email) WHERE state = 'open';
