-- Terms that a version of the program states beside its row in programs, and rates of single promo codes.

-- FACT. The rest of a version of the terms, booked right after its row in programs. Versions from before
-- there was this table have none of it.
CREATE TABLE program_limits (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  program  INTEGER NOT NULL UNIQUE, -- programs.seq
  who      TEXT NOT NULL,    -- whose command brought it: the user's name on the machine
  cap      INTEGER NOT NULL, -- the most that one payment earns, in paise; 0 for none
  payments INTEGER NOT NULL, -- how many payments of one customer earn; 0 for all
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

CREATE TRIGGER program_limits_stay BEFORE UPDATE ON program_limits BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER program_limits_remain BEFORE DELETE ON program_limits BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER code_rates_stay BEFORE UPDATE ON code_rates BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER code_rates_remain BEFORE DELETE ON code_rates BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
