-- Terms that a version of the program states beside its row in programs, rates of single promo codes, and
-- signs of abuse with a person's word on them.

-- FACT. The rest of a version of the terms, booked right after its row in programs. Versions from before
-- there was this table have none of it.
CREATE TABLE program_limits (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  program  INTEGER NOT NULL UNIQUE, -- programs.seq
  who      TEXT NOT NULL,    -- whose command brought it: the user's name on the machine
  cap      INTEGER NOT NULL, -- the most that one payment earns, in paise; 0 for none
  payments INTEGER NOT NULL, -- how many payments of one customer earn; 0 for all
  tiers    TEXT NOT NULL,    -- rates by a partner's sales of the month: 100000.00 12%, 500000.00 15%
  own      INTEGER NOT NULL, -- 1: a partner's sale to themself is blocked
  guesses  INTEGER NOT NULL, -- more promo codes than this tried on an order block it; 0 for any number
  hash     BLOB NOT NULL
) STRICT;

-- FACT. The rate of one promo code, one row a version, where it is not its partner's. Booked together with
-- its code it covers all time before it, like the code; later, it counts from its second on.
CREATE TABLE code_rates (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  code     TEXT NOT NULL,    -- codes.code
  rate_bps INTEGER NOT NULL, -- 0: no rate of its own any more, or flat
  flat     INTEGER NOT NULL, -- paise a payment
  hash     BLOB NOT NULL
) STRICT;

-- FACT. What tells a person again: a keyed hash of a customer id, e-mail address, mobile number or UPI id,
-- of a partner, of who ordered (as the shop says), or of who paid, where a partner has the same.
CREATE TABLE marks (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  partner TEXT NOT NULL,    -- whose it is, '' for a customer's
  binding INTEGER NOT NULL, -- orders.seq, right before; 0 otherwise
  txn_id  TEXT NOT NULL,    -- '' otherwise
  kind    TEXT NOT NULL CHECK (kind IN ('customer', 'email', 'mobile', 'vpa')),
  mark    TEXT NOT NULL,    -- as customers.alias is made
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX marks_of_binding ON marks (binding) WHERE binding <> 0;
CREATE INDEX marks_of_payment ON marks (txn_id) WHERE txn_id <> '';
CREATE INDEX marks_of_customers ON marks (mark) WHERE partner = '';

-- FACT. What a person said about what one partner earns on a payment; the newest counts.
CREATE TABLE reviews (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  txn_id  TEXT NOT NULL,
  partner TEXT NOT NULL,
  accept  INTEGER NOT NULL, -- 1 accept, 0 refuse
  reason  TEXT NOT NULL,
  hash    BLOB NOT NULL
) STRICT;
CREATE INDEX reviews_about ON reviews (txn_id);

-- What of sales less refunds is confirmed: what tiers are reached with.
ALTER TABLE days ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
UPDATE days
   SET confirmed = t.net
  FROM (SELECT (paid_at + 19800000) / 86400000 AS day, partner, sum(amount - refunded) AS net
          FROM transactions
         WHERE status = 'success'
           AND confirmation IN ('agreed', 'off')
         GROUP BY 1, 2) t
 WHERE t.day = days.day
   AND t.partner = days.partner;

-- DERIVED. What about the sale looks like abuse, in words.
ALTER TABLE transactions ADD COLUMN abuse TEXT NOT NULL DEFAULT '';

-- PERSONAL. A partner's number, beside contacts.email.
ALTER TABLE contacts ADD COLUMN mobile TEXT NOT NULL DEFAULT '';

CREATE TRIGGER program_limits_stay BEFORE UPDATE ON program_limits BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER program_limits_remain BEFORE DELETE ON program_limits BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER code_rates_stay BEFORE UPDATE ON code_rates BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER code_rates_remain BEFORE DELETE ON code_rates BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER marks_stay BEFORE UPDATE ON marks BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER marks_remain BEFORE DELETE ON marks BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER reviews_stay BEFORE UPDATE ON reviews BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER reviews_remain BEFORE DELETE ON reviews BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
