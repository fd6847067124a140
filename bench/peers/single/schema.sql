-- Foreign keys are left out: they would cost the peer time and change no result.

CREATE TABLE IF NOT EXISTS partners (
  id   INTEGER PRIMARY KEY,
  code TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS clicks (
  id         TEXT PRIMARY KEY,
  partner_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS orders (
  id       TEXT PRIMARY KEY,
  click_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS payments (
  id       INTEGER PRIMARY KEY,
  txn_id   TEXT NOT NULL UNIQUE,
  order_id TEXT NOT NULL,
  amount   INTEGER NOT NULL -- paise
) STRICT;

CREATE TABLE IF NOT EXISTS commissions (
  payment_id INTEGER PRIMARY KEY,
  partner_id INTEGER NOT NULL,
  amount     INTEGER NOT NULL -- paise
) STRICT;

CREATE TABLE IF NOT EXISTS messages (
  payment_id INTEGER PRIMARY KEY,
  body       BLOB NOT NULL -- as it came
) STRICT;
