-- People who sign in, what they did, and raw bodies that are encrypted.

-- What pages look for. An ordinary payment is in none of these indexes but the one of bodies: they cost the
-- webhook's way nothing but a look at two texts.
CREATE INDEX transactions_in_conflict ON transactions (paid_at) WHERE conflict <> '';
CREATE INDEX transactions_blocked ON transactions (paid_at)
  WHERE blocks <> '' AND blocks <> 'unconfirmed' AND void = 0 AND payout = 0;
CREATE INDEX notifications_for_review ON notifications (at) WHERE result = 'review';
CREATE INDEX notifications_of_refunds ON notifications (at) WHERE kind = 'refund';
CREATE INDEX forwards_given_up ON forwards (at) WHERE next_at IS NULL AND body IS NOT NULL;
CREATE INDEX clicks_with_sub ON clicks (partner) WHERE sub <> '';

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

-- PERSONAL, like the body it comes from and deleted with it. By what a payment is found that a customer names
-- by the bank's reference (RRN, BANKTXNID): the day in India of its receipt times 2^40, plus 40 bits of a
-- keyed hash. The day in front keeps new entries of the index beside each other. 0 when there is none.
ALTER TABLE bodies ADD COLUMN bank INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bodies_by_bank ON bodies (bank) WHERE bank <> 0;
