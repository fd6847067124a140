-- How bodies.body is kept: 0 as it came, 1 packed with the words of bodies-1.txt (see store_body.go).
-- The MAC in the facts is of the body as it came.
ALTER TABLE bodies ADD COLUMN packing INTEGER NOT NULL DEFAULT 0;

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
               coalesce(c.amount, 0), coalesce(iif(c.void, c.amount, c.reversed), 0)
          FROM transactions t
          LEFT JOIN commissions c ON c.txn = t.id
         WHERE t.status = 'success')
 GROUP BY day, partner;
