-- Totals from which pages sum up a year. The days of hundreds of partners are too many for that.

-- DERIVED. The totals of days by month. A month is named by its first day, and days are counted as in days.
CREATE TABLE months (
  month      INTEGER NOT NULL,
  partner    TEXT NOT NULL,     -- '' for payments that nobody brought
  clicks     INTEGER NOT NULL,
  payments   INTEGER NOT NULL,
  sales      INTEGER NOT NULL,
  refunds    INTEGER NOT NULL,
  commission INTEGER NOT NULL,
  reversed   INTEGER NOT NULL,
  confirmed  INTEGER NOT NULL,
  PRIMARY KEY (month, partner)
) STRICT, WITHOUT ROWID;

INSERT INTO months (month, partner, clicks, payments, sales, refunds, commission, reversed, confirmed)
SELECT unixepoch(day * 86400, 'unixepoch', 'start of month') / 86400, partner, sum(clicks), sum(payments),
       sum(sales), sum(refunds), sum(commission), sum(reversed), sum(confirmed)
  FROM days
 GROUP BY 1, 2;

-- DERIVED. The totals of days of the whole shop, what nobody brought along with the rest.
CREATE TABLE shop_days (
  day        INTEGER PRIMARY KEY,
  clicks     INTEGER NOT NULL,
  payments   INTEGER NOT NULL,
  sales      INTEGER NOT NULL,
  refunds    INTEGER NOT NULL,
  commission INTEGER NOT NULL,
  reversed   INTEGER NOT NULL,
  confirmed  INTEGER NOT NULL
) STRICT;

INSERT INTO shop_days (day, clicks, payments, sales, refunds, commission, reversed, confirmed)
SELECT day, sum(clicks), sum(payments), sum(sales), sum(refunds), sum(commission), sum(reversed), sum(confirmed)
  FROM days
 GROUP BY day;
