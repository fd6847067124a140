-- Foreign keys are left out: they would cost the peer time and change no result.

CREATE TABLE IF NOT EXISTS partners (
  id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL UNIQUE
);

CREATE TABLE IF NOT EXISTS clicks (
  id         text PRIMARY KEY,
  partner_id integer NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
  id       text PRIMARY KEY,
  click_id text NOT NULL
);

CREATE TABLE IF NOT EXISTS payments (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  txn_id   text NOT NULL UNIQUE,
  order_id text NOT NULL,
  amount   bigint NOT NULL -- paise
);

CREATE TABLE IF NOT EXISTS commissions (
  payment_id bigint PRIMARY KEY,
  partner_id integer NOT NULL,
  amount     bigint NOT NULL -- paise
);

CREATE TABLE IF NOT EXISTS messages (
  payment_id bigint PRIMARY KEY,
  body       bytea NOT NULL -- as it came
);
