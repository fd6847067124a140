-- How bodies.body is kept: 0 as it came, 1 packed with the words of bodies-1.txt (see store_body.go).
-- The MAC in the facts is of the body as it came.
ALTER TABLE bodies ADD COLUMN packing INTEGER NOT NULL DEFAULT 0;

-- The message that a transaction begins with has its seq for an id, so most messages need no index to be
-- found by what they are about. 1: this is one of those; it is known when the message is booked.
ALTER TABLE notifications ADD COLUMN opens INTEGER NOT NULL DEFAULT 0;
DROP INDEX notifications_by_subject;
CREATE INDEX notifications_by_subject ON notifications (subject) WHERE opens = 0;
CREATE VIEW subjects AS -- which notifications are about what
  SELECT subject, seq
    FROM notifications
   WHERE opens = 0
   UNION ALL
  SELECT t.txn_id, t.id
    FROM transactions t
   WHERE t.gateway = 'paytm'
     AND t.mid = (SELECT value FROM settings WHERE name = 'mid')
     AND EXISTS (SELECT 1 FROM notifications n WHERE n.seq = t.id AND n.opens = 1);

-- The first entry of a transaction mostly follows the message that the transaction begins with, and needs
-- no index either.
DROP INDEX entries_of_txn;
CREATE INDEX entries_of_txn ON entries (txn) WHERE seq <> txn + 1;

-- A message mostly comes within a minute of the payment; only the others are looked for by when they came.
DROP INDEX transactions_by_receipt;
CREATE INDEX transactions_late ON transactions (first_at) WHERE first_at > paid_at + 60000;

-- The commission of a transaction is part of it: who earns it, on what basis, in which currency and when
-- it was paid are the transaction's own.
ALTER TABLE transactions ADD COLUMN commission INTEGER CHECK (commission >= 0); -- NULL: nobody earns one
ALTER TABLE transactions ADD COLUMN reversed INTEGER NOT NULL DEFAULT 0
  CHECK (reversed BETWEEN 0 AND coalesce(commission, 0));
ALTER TABLE transactions ADD COLUMN void INTEGER NOT NULL DEFAULT 0; -- 1: all of it is taken back
ALTER TABLE transactions ADD COLUMN rate_bps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transactions ADD COLUMN flat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transactions ADD COLUMN program INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transactions ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transactions ADD COLUMN blocks TEXT NOT NULL DEFAULT ''; -- unconfirmed conflict dispute
                                                                     -- merchant, joined by spaces
-- Who could have brought a transaction and did, when nobody else could have, is in the transaction too:
-- then attributions has no rows of it. '' otherwise.
ALTER TABLE transactions ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
CREATE VIEW candidates AS
  SELECT txn, rank, basis, value, partner, verdict, counts
    FROM attributions
   UNION ALL
  SELECT id, 0, basis, value, partner, verdict, 1
    FROM transactions
   WHERE verdict <> '';

UPDATE transactions
   SET commission = c.amount, reversed = c.reversed, void = c.void, rate_bps = c.rate_bps,
       flat = c.flat, program = c.program, due_at = c.due_at, blocks = c.blocks
  FROM commissions c
 WHERE c.txn = transactions.id;
DROP TABLE commissions;

UPDATE transactions
   SET verdict = a.verdict
  FROM attributions a
 WHERE a.txn = transactions.id
   AND a.counts = 1
   AND a.partner = transactions.partner
   AND a.basis = transactions.basis
   AND a.value = transactions.value
   AND (SELECT count(*) FROM attributions b WHERE b.txn = a.txn) = 1;
DELETE FROM attributions
 WHERE txn IN (SELECT id FROM transactions WHERE verdict <> '');

-- DERIVED. What every partner brought on every day, so that totals of a month need not read its payments.
-- A day is one of India: whole days since 1970-01-01 there. A payment counts for the day on which it was
-- paid, and so does what becomes of it later.
CREATE TABLE days (
  day        INTEGER NOT NULL,
  partner    TEXT NOT NULL,     -- '' for payments that nobody brought
  clicks     INTEGER NOT NULL,  -- that count
  payments   INTEGER NOT NULL,  -- successful ones
  sales      INTEGER NOT NULL,  -- what they come to
  refunds    INTEGER NOT NULL,  -- what was refunded of them
  commission INTEGER NOT NULL,  -- what they earned
  reversed   INTEGER NOT NULL,  -- what was taken back of that
  PRIMARY KEY (day, partner)
) STRICT, WITHOUT ROWID;

INSERT INTO days (day, partner, clicks, payments, sales, refunds, commission, reversed)
SELECT day, partner, sum(clicks), sum(payments), sum(sales), sum(refunds), sum(commission), sum(reversed)
  FROM (SELECT (at + 19800000) / 86400000 AS day, partner, 1 AS clicks, 0 AS payments, 0 AS sales,
               0 AS refunds, 0 AS commission, 0 AS reversed
          FROM clicks
         WHERE counted = ''
         UNION ALL
        SELECT (t.paid_at + 19800000) / 86400000, t.partner, 0, 1, t.amount, t.refunded,
               coalesce(t.commission, 0), coalesce(iif(t.void, t.commission, t.reversed), 0)
          FROM transactions t
         WHERE t.status = 'success')
 GROUP BY day, partner;
