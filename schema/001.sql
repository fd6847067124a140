-- The first schema. Every time is UTC in milliseconds since 1970 unless its name says otherwise;
-- every amount is in paise. Text that is absent is '', a number that is absent is NULL.
--
-- Two sorts of table. FACTS are written once and never changed: each row has a place (seq) in one
-- order that runs across all of them, and a hash that chains it to the row before (see chain.go).
-- The rest is DERIVED from the facts, or COUNTED, or PERSONAL and erasable; `hissa verify`
-- recomputes what is derived.

-- What this database is for: environment and mid, fixed when it was made; customer_salt.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The end of the chain. One row, changed in every transaction that books a fact.
CREATE TABLE head (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  seq   INTEGER NOT NULL,  -- place of the newest fact
  hash  BLOB NOT NULL,     -- its chain hash
  terms INTEGER NOT NULL   -- place of the newest program, partner or code: tells caches to reload
) STRICT;
INSERT INTO head VALUES (1, 0, zeroblob(32), 0);

-- FACT. The terms, one row a version; read from the configuration whenever it says something new.
CREATE TABLE programs (
  seq             INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,  -- counts for payments from this second on
  rate_bps        INTEGER NOT NULL,  -- 1000 is 10 %; 0 when flat
  flat            INTEGER NOT NULL,  -- paise a payment; 0 when a rate
  exclude_tax_bps INTEGER NOT NULL,  -- tax inside the amount, taken out first; 0 for none
  hold_s          INTEGER NOT NULL,  -- seconds from payment time until a commission can be due
  window_s        INTEGER NOT NULL,  -- seconds for which a click counts
  model           TEXT NOT NULL,     -- last-click or first-click
  precedence      TEXT NOT NULL,     -- bases in order, joined by spaces
  lifetime_months INTEGER NOT NULL,  -- how long a customer stays with who brought them; 0 for off
  confirm         INTEGER NOT NULL,  -- 1: nothing is due before Paytm's API agrees
  order_suffix    TEXT NOT NULL,     -- '_': ORDERID 1042_20261122101500 is order 1042 too
  hash            BLOB NOT NULL
) STRICT;

-- FACT. A partner, one row a version; the first covers all time before it.
CREATE TABLE partners (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  code     TEXT NOT NULL,      -- as the merchant wrote it
  rate_bps INTEGER NOT NULL,   -- 0: the program's rate
  flat     INTEGER NOT NULL,   -- 0: the program's
  state    TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
  hash     BLOB NOT NULL
) STRICT;

-- FACT. Every name that stands for a partner, in one namespace; a name never moves.
CREATE TABLE codes (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  code    TEXT NOT NULL UNIQUE COLLATE NOCASE,
  kind    TEXT NOT NULL CHECK (kind IN ('partner', 'promo', 'reference')),
  partner TEXT NOT NULL,
  hash    BLOB NOT NULL
) STRICT;

-- FACT. A visit through a partner's link.
CREATE TABLE clicks (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,     -- server time
  id      TEXT NOT NULL UNIQUE, -- the cookie's value
  partner TEXT NOT NULL,
  sub     TEXT NOT NULL,        -- sub=…&sub1=…&… as the link carried them
  counted TEXT NOT NULL,        -- '' when it counts, else why not: a link preview, a prefetch, …
  hash    BLOB NOT NULL
) STRICT;

-- FACT. What the shop said about an order; the newest row of an order is in force.
CREATE TABLE orders (
  seq        INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  order_id   TEXT NOT NULL,
  click_id   TEXT NOT NULL,
  promo_code TEXT NOT NULL,
  customer   TEXT NOT NULL,     -- customers.alias
  amount     INTEGER NOT NULL,  -- 0 when the shop named none
  hash       BLOB NOT NULL
) STRICT;
CREATE INDEX orders_by_id ON orders (order_id);

-- FACT. Every distinct message that proved genuine. A repeat only counts up in deliveries.
CREATE TABLE notifications (
  seq             INTEGER PRIMARY KEY,
  at              INTEGER NOT NULL,  -- first receipt
  gateway         TEXT NOT NULL,
  identity        BLOB NOT NULL,     -- SHA-256 of the content; never of the signature's text
  subject         TEXT NOT NULL,     -- the TXNID, or what else the message is about
  kind            TEXT NOT NULL,     -- payment, refund, dispute, other
  type            TEXT NOT NULL,     -- the gateway's own sort, in words
  result          TEXT NOT NULL,     -- what was answered
  why             TEXT NOT NULL,     -- not about money: why
  unusable        TEXT NOT NULL,     -- a field relied on that can't be used, in words
  mid             TEXT NOT NULL,     -- '' when the message carries none
  txn_id          TEXT NOT NULL,
  order_id        TEXT NOT NULL,
  status          TEXT NOT NULL,     -- pending, success, failed
  amount          INTEGER NOT NULL,
  currency        TEXT NOT NULL,     -- '' when the message carries none: INR
  paid_at         INTEGER,           -- as the message states it
  reference       TEXT NOT NULL,     -- MERC_UNQ_REF
  pos             TEXT NOT NULL,     -- POS_ID
  campaign        TEXT NOT NULL,     -- PROMO_CAMP_ID
  customer        TEXT NOT NULL,     -- customers.alias of the SUBS_ID
  mode            TEXT NOT NULL,     -- UPI, CC, DC, NB, PPI, …
  unknown         TEXT NOT NULL,     -- undocumented field names, joined by spaces
  refund_id       TEXT NOT NULL,
  event           TEXT NOT NULL,     -- accepted, succeeded, refused
  refund          INTEGER NOT NULL,
  refunds_sum     INTEGER NOT NULL,  -- cumulative refunds of the transaction; 0 when not stated
  dispute_id      TEXT NOT NULL,
  dispute         TEXT NOT NULL,
  disputed        INTEGER NOT NULL,
  body_mac        BLOB NOT NULL,     -- HMAC-SHA256 of the raw body under bodies.salt
  hash            BLOB NOT NULL
) STRICT;
CREATE INDEX notifications_by_subject ON notifications (subject);
CREATE INDEX notifications_by_order ON notifications (order_id) WHERE kind = 'payment';

-- FACT. What the gateway's API answered about an order.
CREATE TABLE answers (
  seq       INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,
  about     TEXT NOT NULL,     -- the TXNID we wanted to know about
  asked     TEXT NOT NULL,     -- the order id we asked for
  result    TEXT NOT NULL,     -- success, failed, pending, unknown
  txn_id    TEXT NOT NULL,     -- as answered
  order_id  TEXT NOT NULL,
  amount    INTEGER NOT NULL,  -- -1 when the answer has none
  paid_at   INTEGER,           -- as the answer states it
  reference TEXT NOT NULL,
  pos       TEXT NOT NULL,
  code      TEXT NOT NULL,
  text      TEXT NOT NULL,
  definite  INTEGER NOT NULL,  -- 1: signed, about this TXNID, and final
  hash      BLOB NOT NULL
) STRICT;
CREATE INDEX answers_about ON answers (about);

-- FACT. What a person said about a transaction.
CREATE TABLE decisions (
  seq    INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  txn_id TEXT NOT NULL,
  agree  INTEGER NOT NULL,  -- 1 agree, 0 deny
  amount INTEGER NOT NULL,  -- which amount was agreed to; 0 for a denial
  reason TEXT NOT NULL,
  hash   BLOB NOT NULL
) STRICT;
CREATE INDEX decisions_about ON decisions (txn_id);

-- FACT. A commission was found to have become due: partner, rate and program are fixed from here.
CREATE TABLE dues (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  txn_id   TEXT NOT NULL UNIQUE,
  partner  TEXT NOT NULL,
  basis    TEXT NOT NULL,
  value    TEXT NOT NULL,
  rate_bps INTEGER NOT NULL,
  flat     INTEGER NOT NULL,
  program  INTEGER NOT NULL,
  hash     BLOB NOT NULL
) STRICT;

-- FACT. The ledger: transfers, so that the books balance by construction.
CREATE TABLE entries (
  seq          INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,
  kind         TEXT NOT NULL CHECK (kind IN ('earn', 'reverse', 'pay', 'withhold', 'adjust')),
  debit        TEXT NOT NULL,
  credit       TEXT NOT NULL,
  amount       INTEGER NOT NULL CHECK (amount > 0),
  currency     TEXT NOT NULL,
  txn          INTEGER,        -- transactions.id
  txn_id       TEXT NOT NULL,
  partner      TEXT NOT NULL,
  partner_hash BLOB NOT NULL,  -- the partner's own chain
  hash         BLOB NOT NULL,
  CHECK (debit <> credit)
) STRICT;
CREATE INDEX entries_of_txn ON entries (txn);

-- DERIVED, except that the row's existence decides exactly-once: one TXNID of one MID at one
-- gateway is one transaction for ever.
CREATE TABLE transactions (
  id           INTEGER PRIMARY KEY,
  gateway      TEXT NOT NULL,
  mid          TEXT NOT NULL,
  txn_id       TEXT NOT NULL,
  order_id     TEXT NOT NULL,
  status       TEXT NOT NULL,     -- pending, success, failed
  amount       INTEGER NOT NULL,
  currency     TEXT NOT NULL,
  paid_at      INTEGER NOT NULL,
  first_at     INTEGER NOT NULL,  -- first receipt of anything about it
  refunded     INTEGER NOT NULL,
  confirmation TEXT NOT NULL,     -- waiting, agreed, denied, off
  conflict     TEXT NOT NULL,     -- '' or what contradicts what, in words
  customer     TEXT NOT NULL,     -- customers.alias
  partner      TEXT NOT NULL,     -- '' when nobody earned
  basis        TEXT NOT NULL,
  value        TEXT NOT NULL,
  why          TEXT NOT NULL,     -- nobody earned: why
  UNIQUE (gateway, mid, txn_id)
) STRICT;
CREATE INDEX transactions_by_receipt ON transactions (first_at);
CREATE INDEX transactions_by_time ON transactions (paid_at);
CREATE INDEX transactions_of_customer ON transactions (customer, paid_at) WHERE customer <> '';

-- DERIVED. Everybody who could have brought a transaction, in order of precedence.
CREATE TABLE attributions (
  txn     INTEGER NOT NULL REFERENCES transactions (id),
  rank    INTEGER NOT NULL,
  basis   TEXT NOT NULL,
  value   TEXT NOT NULL,
  partner TEXT NOT NULL,  -- '' when the value names nobody
  verdict TEXT NOT NULL,
  counts  INTEGER NOT NULL,  -- 1: this one won
  PRIMARY KEY (txn, rank)
) STRICT, WITHOUT ROWID;
CREATE INDEX attributions_unknown ON attributions (value COLLATE NOCASE) WHERE partner = '';

-- DERIVED. What one transaction earns one partner: the key is the transaction.
CREATE TABLE commissions (
  txn      INTEGER PRIMARY KEY REFERENCES transactions (id),
  partner  TEXT NOT NULL,
  amount   INTEGER NOT NULL CHECK (amount >= 0),
  reversed INTEGER NOT NULL CHECK (reversed BETWEEN 0 AND amount),
  void     INTEGER NOT NULL,  -- 1: all of it is taken back
  currency TEXT NOT NULL,
  basis    TEXT NOT NULL,
  rate_bps INTEGER NOT NULL,
  flat     INTEGER NOT NULL,
  program  INTEGER NOT NULL,
  paid_at  INTEGER NOT NULL,
  due_at   INTEGER NOT NULL,
  blocks   TEXT NOT NULL      -- unconfirmed conflict dispute merchant, joined by spaces
) STRICT;

-- DERIVED. Balance (credits less debits) of each ledger account, and the end of a partner's chain.
CREATE TABLE accounts (
  name    TEXT PRIMARY KEY,
  balance INTEGER NOT NULL,
  hash    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- COUNTED. How often a message came, once it came more than once.
CREATE TABLE deliveries (
  notification INTEGER PRIMARY KEY REFERENCES notifications (seq),
  times        INTEGER NOT NULL,
  last_at      INTEGER NOT NULL
) STRICT;

-- COUNTED. Transactions that the gateway's API is still to be asked about.
CREATE TABLE polls (
  txn     INTEGER PRIMARY KEY REFERENCES transactions (id),
  next_at INTEGER NOT NULL,
  tries   INTEGER NOT NULL,  -- attempts that got no answer, since the last one that did
  error   TEXT NOT NULL      -- of the last attempt, '' when it got an answer
) STRICT;
CREATE INDEX polls_by_time ON polls (next_at);

-- PERSONAL. The raw body, for a person and for support. Without the salt the MAC in the facts says
-- nothing, so deleting the row forgets the body and breaks no hash.
CREATE TABLE bodies (
  notification INTEGER PRIMARY KEY REFERENCES notifications (seq),
  salt         BLOB NOT NULL,
  body         BLOB NOT NULL
) STRICT;

-- PERSONAL. The facts know a customer or a subscription only by an alias.
CREATE TABLE customers (
  alias TEXT PRIMARY KEY,
  kind  TEXT NOT NULL CHECK (kind IN ('customer', 'subscription')),
  value TEXT NOT NULL,
  UNIQUE (kind, value)
) STRICT, WITHOUT ROWID;

-- PERSONAL. How to reach and pay a partner.
CREATE TABLE contacts (
  partner TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  email   TEXT NOT NULL,
  vpa     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of the API, kept only as SHA-256: the key itself is printed once.
CREATE TABLE keys (
  name       TEXT PRIMARY KEY,
  scope      TEXT NOT NULL CHECK (scope IN ('orders', 'read', 'metrics')),
  hash       BLOB NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- Facts are never changed.
CREATE TRIGGER programs_stay BEFORE UPDATE ON programs BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER programs_remain BEFORE DELETE ON programs BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER partners_stay BEFORE UPDATE ON partners BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER partners_remain BEFORE DELETE ON partners BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER codes_stay BEFORE UPDATE ON codes BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER codes_remain BEFORE DELETE ON codes BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER clicks_stay BEFORE UPDATE ON clicks BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER clicks_remain BEFORE DELETE ON clicks BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER orders_stay BEFORE UPDATE ON orders BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER orders_remain BEFORE DELETE ON orders BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER notifications_stay BEFORE UPDATE ON notifications BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER notifications_remain BEFORE DELETE ON notifications BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER answers_stay BEFORE UPDATE ON answers BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER answers_remain BEFORE DELETE ON answers BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER decisions_stay BEFORE UPDATE ON decisions BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER decisions_remain BEFORE DELETE ON decisions BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER dues_stay BEFORE UPDATE ON dues BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER dues_remain BEFORE DELETE ON dues BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE (ABORT, 'facts are never changed'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE (ABORT, 'facts are never deleted'); END;
