-- Money out: statements, what they pay, what a person did with each, and the tax on them; and payments
-- decided anew under another program.

-- FACT. A partner's account, closed at one place of the chain. It covers the partner's entries between
-- the statement that it follows and itself. A statement and its payout share one id.
CREATE TABLE statements (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  id      INTEGER NOT NULL UNIQUE, -- 1, 2, 3 …
  partner TEXT NOT NULL,
  follows INTEGER NOT NULL,        -- id of the partner's statement before it; 0 for the first
  opening INTEGER NOT NULL,        -- closing balance of that one
  closing INTEGER NOT NULL,        -- the partner's balance in the ledger
  held    INTEGER NOT NULL,        -- what of it can't be paid yet
  payable INTEGER NOT NULL CHECK (payable >= 0), -- closing less held, when that is above nothing
  minimum INTEGER NOT NULL,        -- less than this is carried forward, not paid
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX statements_of_partner ON statements (partner, id);

-- FACT. A commission that a statement pays, or that it leaves out because it is still held.
CREATE TABLE statement_lines (
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  statement INTEGER NOT NULL,  -- statements.id
  kind      TEXT NOT NULL CHECK (kind IN ('pays', 'held')),
  txn_id    TEXT NOT NULL,
  amount    INTEGER NOT NULL CHECK (amount >= 0), -- what of the commission is not taken back
  due_at    INTEGER NOT NULL,  -- end of its hold period
  blocks    TEXT NOT NULL,     -- what else held it, joined by spaces
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX statement_lines_of ON statement_lines (statement);
CREATE INDEX statement_lines_about ON statement_lines (txn_id);

-- FACT. What became of a statement and its payout; the newest step says how it stands.
CREATE TABLE steps (
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  statement INTEGER NOT NULL,  -- statements.id
  step      TEXT NOT NULL CHECK (step IN ('approved', 'held', 'declined', 'replaced',
                                          'sent', 'paid', 'failed', 'reversed')),
  way       TEXT NOT NULL,     -- how it was sent: file 3, qr
  utr       TEXT NOT NULL,     -- the bank's reference of what was paid
  reason    TEXT NOT NULL,     -- in a person's words
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX steps_of ON steps (statement);
-- FACT. A person had a payment decided under another program than that of its time.
CREATE TABLE repricings (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  txn_id  TEXT NOT NULL,
  program INTEGER NOT NULL,  -- programs.seq
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX repricings_about ON repricings (txn_id);

-- FACT. The tax deducted (TDS) when a statement was approved, booked right after that step. It counts while
-- the statement is approved, sent or paid.
CREATE TABLE withholdings (
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  statement INTEGER NOT NULL,  -- statements.id
  section   TEXT NOT NULL,     -- of the Income-tax Act
  code      TEXT NOT NULL,     -- what returns call it
  rate_bps  INTEGER NOT NULL,  -- 200 is 2 %
  threshold INTEGER NOT NULL,  -- paise in a financial year
  credited  INTEGER NOT NULL,  -- to the partner in the financial year, before this statement
  base      INTEGER NOT NULL,  -- what is taxed with it
  amount    INTEGER NOT NULL CHECK (amount >= 0),
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX withholdings_of ON withholdings (statement);

CREATE VIEW standings AS -- how each statement stands, '' before the first step
  SELECT id AS statement,
         coalesce((SELECT step FROM steps p WHERE p.statement = s.id ORDER BY p.seq DESC LIMIT 1), '') AS step
    FROM statements s;

-- DERIVED. The statement whose payout paid the commission; 0 for none.
ALTER TABLE transactions ADD COLUMN payout INTEGER NOT NULL DEFAULT 0;

-- PERSONAL. Where a partner's payouts go, beside contacts.vpa.
ALTER TABLE contacts ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN ifsc TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN pan TEXT NOT NULL DEFAULT '';
ALTER TABLE contacts ADD COLUMN gstin TEXT NOT NULL DEFAULT '';

-- PERSONAL. The files made for the bank. A file is given out again as it was, never made anew: what it
-- orders may be on its way.
CREATE TABLE payout_files (
  id   INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE TRIGGER statements_stay BEFORE UPDATE ON statements BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER statements_remain BEFORE DELETE ON statements BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER statement_lines_stay BEFORE UPDATE ON statement_lines BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER statement_lines_remain BEFORE DELETE ON statement_lines BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER steps_remain BEFORE DELETE ON steps BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER repricings_stay BEFORE UPDATE ON repricings BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER repricings_remain BEFORE DELETE ON repricings BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER withholdings_stay BEFORE UPDATE ON withholdings BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER withholdings_remain BEFORE DELETE ON withholdings BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
