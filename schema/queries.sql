-- The queries of the product, each under its name: the line "name:", then what it is for where
-- that is not plain, then one statement. queries.go reads this file. The tables are in 001.sql.
--
-- Two sorts of statement are not here: those that name a savepoint, a pragma or a file, and those
-- made from the lists of tables (chain.go, everything.go): how a fact is booked, how verify walks it, how
-- everything is exported and imported.

-- The database, the terms and the head of the chain.

-- name: count-schema-objects
-- More than none in a file that is not marked as ours: it is another program's.
SELECT count(*)
  FROM sqlite_schema;

-- name: insert-setting
-- What a database is for is said once; later openings only compare.
INSERT INTO settings (name, value)
VALUES (?, ?)
    ON CONFLICT DO NOTHING;

-- name: setting
SELECT value
  FROM settings
 WHERE name = ?;

-- name: head
SELECT seq, hash, terms
  FROM head;

-- name: head-page
SELECT rootpage
  FROM sqlite_schema
 WHERE name = 'head';

-- name: newest-terms
SELECT terms
  FROM head;

-- name: move-head
UPDATE head
   SET seq   = ?,
       hash  = ?,
       terms = ?;

-- name: programs
SELECT p.seq, p.at, p.rate_bps, p.flat, p.exclude_tax_bps, p.hold_s, p.window_s, p.model, p.precedence,
       p.lifetime_months, p.confirm, p.order_suffix, coalesce(l.cap, 0), coalesce(l.payments, 0),
       coalesce(l.tiers, ''), coalesce(l.own, 0), coalesce(l.guesses, 0), coalesce(l.who, '')
  FROM programs p
  LEFT JOIN program_limits l ON l.program = p.seq
 ORDER BY p.seq;

-- name: partners
SELECT seq, at, code, rate_bps, flat, state
  FROM partners
 ORDER BY seq;

-- name: codes
SELECT seq, at, code, kind, partner
  FROM codes
 ORDER BY seq;

-- name: code-rates
SELECT code, at, rate_bps, flat
  FROM code_rates
 ORDER BY seq;

-- name: partner-marks
SELECT partner, kind, mark
  FROM marks
 WHERE partner <> ''
 ORDER BY seq;

-- name: txnids-of-mark
-- The payments of a customer, and those that somebody with this mark paid.
SELECT txn_id
  FROM transactions
 WHERE customer = ?1
   AND customer <> ''
 UNION
SELECT txn_id
  FROM marks
 WHERE mark = ?1
   AND partner = ''
   AND txn_id <> '';

-- name: orders-of-mark
SELECT DISTINCT o.order_id
  FROM marks m
  JOIN orders o ON o.seq = m.binding
 WHERE m.mark = ?
   AND m.partner = '';

-- name: payer
SELECT mark
  FROM marks
 WHERE txn_id = ?
   AND txn_id <> ''
 ORDER BY seq;

-- name: reviews
SELECT seq, at, partner, accept, reason
  FROM reviews
 WHERE txn_id = ?
 ORDER BY seq;

-- name: review-list
-- What waits for a person. What the API does not know for long does, too.
SELECT txn_id, partner, paid_at, commission - reversed, blocks, abuse, conflict
  FROM transactions
 WHERE commission IS NOT NULL
   AND NOT void
   AND payout = 0
   AND blocks <> ''
   AND (blocks <> 'unconfirmed' OR first_at <= ?)
 ORDER BY paid_at, txn_id;

-- name: contact
SELECT name, email, vpa, account, ifsc, pan, gstin, mobile
  FROM contacts
 WHERE partner = ?;

-- name: write-contact
-- NULL leaves a field as it is.
INSERT INTO contacts (partner, name, email, vpa, account, ifsc, pan, gstin, mobile)
VALUES (?1, coalesce(?2, ''), coalesce(?3, ''), coalesce(?4, ''), coalesce(?5, ''), coalesce(?6, ''),
        coalesce(?7, ''), coalesce(?8, ''), coalesce(?9, ''))
    ON CONFLICT DO UPDATE
   SET name    = coalesce(?2, name),
       email   = coalesce(?3, email),
       vpa     = coalesce(?4, vpa),
       account = coalesce(?5, account),
       ifsc    = coalesce(?6, ifsc),
       pan     = coalesce(?7, pan),
       gstin   = coalesce(?8, gstin),
       mobile  = coalesce(?9, mobile);

-- Keys of the API.

-- name: keys
SELECT name, scope, created_at, revoked_at
  FROM keys
 ORDER BY name;

-- name: insert-key
INSERT INTO keys (name, scope, hash, created_at, revoked_at)
VALUES (?, ?, ?, ?, NULL);

-- name: count-keys
-- The keys of a name, working or revoked: a name is never given twice.
SELECT count(*)
  FROM keys
 WHERE name = ?;

-- name: count-working-keys
SELECT count(*)
  FROM keys
 WHERE name = ?
   AND revoked_at IS NULL;

-- name: match-key
SELECT count(*)
  FROM keys
 WHERE hash = ?
   AND scope = ?
   AND revoked_at IS NULL;

-- name: revoke-key
UPDATE keys
   SET revoked_at = ?
 WHERE name = ?;

-- Messages.

-- name: notifications
-- The distinct messages about a subject.
SELECT seq, at, gateway, identity, kind, type, result, why, unusable, mid, txn_id, order_id,
       status, amount, currency, paid_at, reference, pos, campaign, customer, mode, unknown,
       refund_id, event, refund, refunds_sum, dispute_id, dispute, disputed
  FROM notifications
 WHERE subject = ?1
   AND seq IN (SELECT seq FROM subjects WHERE subject = ?1)
 ORDER BY seq;

-- name: any-notification
-- Whether there may be some: what the view says, with less to read.
SELECT EXISTS (SELECT 1 FROM notifications WHERE subject = ?1 AND opens = 0)
    OR EXISTS (SELECT 1 FROM transactions WHERE gateway = 'paytm' AND mid = ?2 AND txn_id = ?1);

-- name: insert-body
INSERT INTO bodies (notification, salt, body, packing, key)
VALUES (?, ?, ?, ?, ?);

-- name: count-delivery
-- A message that came once has no row.
INSERT INTO deliveries (notification, times, last_at)
VALUES (?, 2, ?)
    ON CONFLICT DO UPDATE
   SET times   = times + 1,
       last_at = excluded.last_at;

-- name: deliveries
SELECT d.notification, d.times
  FROM subjects m
  JOIN deliveries d ON d.notification = m.seq
 WHERE m.subject = ?;

-- name: insert-customer
INSERT INTO customers (alias, kind, value)
VALUES (?, ?, ?)
    ON CONFLICT DO NOTHING;

-- What is personal, when it is to be forgotten.

-- name: txnids-about-customer
-- The payments that a customer made, or whose orders were ever bound to them. It reads every order.
SELECT txn_id
  FROM transactions
 WHERE customer = ?1
   AND customer <> ''
 UNION
SELECT n.txn_id
  FROM orders o
  JOIN notifications n ON n.order_id = o.order_id
 WHERE o.customer = ?1
   AND n.kind = 'payment'
   AND n.txn_id <> '';

-- name: bodies-about
SELECT b.notification
  FROM subjects m
  JOIN bodies b ON b.notification = m.seq
 WHERE m.subject = ?;

-- name: bodies-naming-customer
-- Messages that name a subscription. It reads every one.
SELECT b.notification
  FROM notifications n
  JOIN bodies b ON b.notification = n.seq
 WHERE n.customer = ?;

-- name: delete-body
DELETE FROM bodies
 WHERE notification = ?;

-- name: delete-old-bodies
-- Of the oldest so many, those that came before a time.
DELETE FROM bodies
 WHERE notification IN (SELECT notification
                          FROM (SELECT b.notification, n.at
                                  FROM bodies b
                                  JOIN notifications n ON n.seq = b.notification
                                 ORDER BY b.notification
                                 LIMIT ?2)
                         WHERE at < ?1);

-- name: sealed-with
-- The keys of sealed messages, each found by one step of its index.
WITH RECURSIVE
  of_bodies (key) AS (
    SELECT min(key) FROM bodies WHERE key IS NOT NULL
     UNION ALL
    SELECT (SELECT min(b.key) FROM bodies b WHERE b.key > k.key) FROM of_bodies k WHERE k.key IS NOT NULL
  )
SELECT key FROM of_bodies WHERE key IS NOT NULL
 UNION
SELECT key FROM forwards WHERE key IS NOT NULL;

-- name: knows-seals
-- Whether the schema is one in which messages can be sealed.
SELECT EXISTS (SELECT 1 FROM pragma_table_info('bodies') WHERE name = 'key');

-- name: delete-bodies-sealed-with
DELETE FROM bodies
 WHERE notification IN (SELECT notification FROM bodies WHERE key = ?1 LIMIT ?2);

-- name: delete-forwards-sealed-with
DELETE FROM forwards
 WHERE key = ?;

-- name: delete-forwards
-- Those that still wait for the shop stay: it has to get them.
DELETE FROM forwards
 WHERE subject = ?
   AND next_at IS NULL;

-- name: delete-customer
DELETE FROM customers
 WHERE value = ?;

-- The other facts about a payment.

-- name: answers
SELECT seq, at, asked, result, txn_id, order_id, amount, paid_at, reference, pos, code, text, definite
  FROM answers
 WHERE about = ?
 ORDER BY seq;

-- name: decisions
SELECT seq, at, agree, amount, reason
  FROM decisions
 WHERE txn_id = ?
 ORDER BY seq;

-- name: due
SELECT seq, at, partner, basis, value, rate_bps, flat, program
  FROM dues
 WHERE txn_id = ?;

-- name: repricing
-- The program that a person had a payment decided under, 0 for that of its time.
SELECT coalesce((SELECT program FROM repricings WHERE txn_id = ? ORDER BY seq DESC LIMIT 1), 0);

-- name: txnids-paid-between
-- Those that failed, too: what was denied may be agreed to later.
SELECT txn_id
  FROM transactions
 WHERE paid_at >= ?
   AND paid_at < ?
 ORDER BY paid_at, txn_id;

-- name: count-dues
SELECT count(*)
  FROM dues
 WHERE txn_id = ?;

-- name: order
-- The binding in force is the newest. Its click comes with it, zeros when there is none.
SELECT o.seq, o.at, o.order_id, o.click_id, o.promo_code, o.customer, o.amount,
       CASE
       WHEN EXISTS (SELECT 1 FROM marks WHERE binding <> 0)
       THEN coalesce((SELECT group_concat(mark, ' ' ORDER BY mark) FROM marks m WHERE m.binding = o.seq AND m.binding <> 0), '')
       ELSE ''
       END,
       CASE
       WHEN o.promo_code = '' THEN 0
       ELSE (SELECT count(DISTINCT lower(promo_code)) FROM orders p WHERE p.order_id = o.order_id AND p.promo_code <> '')
       END,
       coalesce(c.seq, 0), coalesce(c.at, 0), coalesce(c.partner, ''), coalesce(c.sub, ''),
       coalesce(c.counted, ''),
       CASE
       WHEN EXISTS (SELECT 1 FROM imports)
       THEN coalesce((SELECT i.first <= c.seq FROM imports i
                       WHERE i.what = 'clicks' AND i.seq > c.seq ORDER BY i.seq LIMIT 1), 0)
       ELSE 0
       END
  FROM orders o
  LEFT JOIN clicks c ON c.id = o.click_id
 WHERE o.order_id = ?
 ORDER BY o.seq DESC
 LIMIT 1;

-- name: click
SELECT seq, at, id, partner, sub, counted,
       coalesce((SELECT i.first <= c.seq FROM imports i
                  WHERE i.what = 'clicks' AND i.seq > c.seq ORDER BY i.seq LIMIT 1), 0)
  FROM clicks c
 WHERE id = ?;

-- name: who-brought
-- The payment that first brought a customer, the one being decided left out. The second mention of
-- customer is what lets SQLite use the partial index.
SELECT partner, txn_id, paid_at
  FROM transactions
 WHERE customer = ?
   AND customer <> ''
   AND partner <> ''
   AND basis <> 'customer'
   AND confirmation IN ('agreed', 'off')
   AND txn_id <> ?
 ORDER BY paid_at, txn_id
 LIMIT 1;

-- name: count-earlier
-- The confirmed payments of a customer before one of them, as far as anybody counts.
SELECT count(*)
  FROM (SELECT 1
          FROM transactions
         WHERE customer = ?1
           AND customer <> ''
           AND status = 'success'
           AND confirmation IN ('agreed', 'off')
           AND (paid_at, txn_id) < (?2, ?3)
         LIMIT ?4);

-- Payments, and what follows from their facts.

-- name: transaction
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse
  FROM transactions
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id = ?;

-- name: transactions-of-order
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse
  FROM transactions
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id IN (SELECT txn_id
                    FROM notifications
                   WHERE order_id = ?
                     AND kind = 'payment'
                     AND unusable = '');

-- name: subjects-of-order
-- What messages about an order's payments are about.
SELECT subject
  FROM notifications
 WHERE order_id = ?
   AND kind = 'payment'
 GROUP BY subject
 ORDER BY min(seq);

-- name: subjects-naming-order
-- The same of all messages: it reads every one.
SELECT subject
  FROM notifications
 WHERE order_id = ?
 GROUP BY subject
 ORDER BY min(seq);

-- name: hybrid-bodies
-- The newest messages about a payment that was made in several ways at once; not each tells of its parts.
SELECT b.body, b.packing, b.key, n.body_mac
  FROM subjects m
  JOIN notifications n ON n.seq = m.seq
  JOIN bodies b ON b.notification = n.seq
 WHERE m.subject = ?
   AND n.kind = 'payment'
   AND n.mode = 'HYBRID'
   AND n.unusable = ''
 ORDER BY n.seq DESC
 LIMIT 8;

-- name: transactions-of-longer-orders
-- The payments of an order that messages name with a timestamp behind it. The range lets the index
-- find those that begin alike.
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse
  FROM transactions
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id IN (SELECT txn_id
                    FROM notifications
                   WHERE order_id > ?1 || '_'
                     AND order_id < ?1 || '`'
                     AND length(order_id) = length(?1) + 15
                     AND order_id GLOB '*_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]'
                     AND kind = 'payment'
                     AND unusable = '');

-- name: transactions-by-order
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse
  FROM transactions
 ORDER BY order_id, txn_id;

-- name: count-transactions
SELECT count(*)
  FROM transactions;

-- name: txnids-paid-since
-- All payments that were made or heard of since then, and some from the minute before.
SELECT txn_id
  FROM transactions
 WHERE paid_at >= ?1 - 60000
 UNION
SELECT txn_id
  FROM transactions
 WHERE first_at >= ?1
   AND first_at > paid_at + 60000;

-- name: first-bringers
-- The two payments that brought a customer first.
SELECT partner, txn_id, paid_at
  FROM transactions
 WHERE customer = ?
   AND customer <> ''
   AND partner <> ''
   AND basis <> 'customer'
   AND confirmation IN ('agreed', 'off')
 ORDER BY paid_at, txn_id
 LIMIT 2;

-- name: txnids-of-customer-first
-- The confirmed payments that a customer made first.
SELECT txn_id
  FROM transactions
 WHERE customer = ?
   AND customer <> ''
   AND status = 'success'
   AND confirmation IN ('agreed', 'off')
 ORDER BY paid_at, txn_id
 LIMIT ?;

-- name: txnids-of-customer
-- All payments of a customer.
SELECT txn_id
  FROM transactions
 WHERE customer = ?
   AND customer <> ''
 ORDER BY paid_at, txn_id;

-- name: txnids-naming-code
-- Payments that named a code when nobody held it.
SELECT txn_id
  FROM transactions
 WHERE id IN (SELECT txn
                FROM attributions
               WHERE partner = ''
                 AND value = ? COLLATE NOCASE);

-- name: insert-transaction
-- Exactly once: UNIQUE (gateway, mid, txn_id) makes this the only row of a payment, whatever
-- brought the news of it, and its commission is a part of it.
INSERT INTO transactions (gateway, order_id, status, amount, currency, paid_at, first_at, refunded,
                          confirmation, conflict, customer, partner, basis, value, why, abuse,
                          verdict,
                          commission, reversed, void, rate_bps, flat, program, due_at, blocks,
                          id, mid, txn_id)
VALUES ('paytm', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update-transaction
UPDATE transactions
   SET order_id     = ?,
       status       = ?,
       amount       = ?,
       currency     = ?,
       paid_at      = ?,
       first_at     = ?,
       refunded     = ?,
       confirmation = ?,
       conflict     = ?,
       customer     = ?,
       partner      = ?,
       basis        = ?,
       value        = ?,
       why          = ?,
       abuse        = ?,
       verdict      = ?,
       commission   = ?,
       reversed     = ?,
       void         = ?,
       rate_bps     = ?,
       flat         = ?,
       program      = ?,
       due_at       = ?,
       blocks       = ?
 WHERE id = ?;

-- name: attributions
SELECT basis, value, partner, verdict, counts
  FROM candidates
 WHERE txn = ?
 ORDER BY rank;

-- name: insert-attribution
INSERT INTO attributions (txn, rank, basis, value, partner, verdict, counts)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: delete-attributions
DELETE FROM attributions
 WHERE txn = ?;

-- name: commission
SELECT txn_id, partner, commission, reversed, void, currency, basis, rate_bps, flat, program, paid_at,
       due_at, blocks, payout
  FROM transactions
 WHERE id = ?
   AND commission IS NOT NULL;

-- The ledger.

-- name: entries
-- The entries of one transaction.
SELECT seq, at, kind, debit, credit, amount, currency, txn_id, partner, hash, 0, ''
  FROM entries
 WHERE txn = ?1
   AND seq IN (SELECT ?1 + 1 UNION ALL SELECT seq FROM entries WHERE txn = ?1 AND seq <> txn + 1)
 ORDER BY seq;

-- name: booked
-- What the ledger holds of one transaction, by partner.
SELECT partner,
       sum(CASE kind
           WHEN 'earn' THEN amount
           WHEN 'reverse' THEN -amount
           ELSE 0
           END)
  FROM entries
 WHERE txn = ?1
   AND seq IN (SELECT ?1 + 1 UNION ALL SELECT seq FROM entries WHERE txn = ?1 AND seq <> txn + 1)
 GROUP BY partner;

-- name: accounts
SELECT name, balance, hash
  FROM accounts
 ORDER BY name;

-- name: account-hash
SELECT hash
  FROM accounts
 WHERE name = ?;

-- name: move-balance
INSERT INTO accounts (name, balance, hash)
VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE
   SET balance = balance + excluded.balance,
       hash    = excluded.hash;

-- name: move-day
INSERT INTO days (day, partner, clicks, payments, sales, refunds, commission, reversed, confirmed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE
   SET clicks     = clicks + excluded.clicks,
       payments   = payments + excluded.payments,
       sales      = sales + excluded.sales,
       refunds    = refunds + excluded.refunds,
       commission = commission + excluded.commission,
       reversed   = reversed + excluded.reversed,
       confirmed  = confirmed + excluded.confirmed;

-- name: move-month
INSERT INTO months (month, partner, clicks, payments, sales, refunds, commission, reversed, confirmed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE
   SET clicks     = clicks + excluded.clicks,
       payments   = payments + excluded.payments,
       sales      = sales + excluded.sales,
       refunds    = refunds + excluded.refunds,
       commission = commission + excluded.commission,
       reversed   = reversed + excluded.reversed,
       confirmed  = confirmed + excluded.confirmed;

-- name: move-shop-day
-- The second argument would be the partner.
INSERT INTO shop_days (day, clicks, payments, sales, refunds, commission, reversed, confirmed)
VALUES (?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT DO UPDATE
   SET clicks     = clicks + excluded.clicks,
       payments   = payments + excluded.payments,
       sales      = sales + excluded.sales,
       refunds    = refunds + excluded.refunds,
       commission = commission + excluded.commission,
       reversed   = reversed + excluded.reversed,
       confirmed  = confirmed + excluded.confirmed;

-- name: days
SELECT day, partner, clicks, payments, sales, refunds, commission, reversed, confirmed
  FROM days
 WHERE day >= ?
   AND day < ?
 ORDER BY day, partner;

-- name: months
SELECT month, partner, clicks, payments, sales, refunds, commission, reversed, confirmed
  FROM months;

-- name: shop-days
SELECT day, '', clicks, payments, sales, refunds, commission, reversed, confirmed
  FROM shop_days;

-- name: sales-of
-- One look-up a day: the totals of a month may be of thousands of partners.
WITH RECURSIVE month (day) AS (SELECT ?2 UNION ALL SELECT day + 1 FROM month WHERE day + 1 < ?3)
SELECT coalesce(sum(d.confirmed), 0)
  FROM month
 CROSS JOIN days d ON d.day = month.day AND d.partner = ?1;

-- name: days-of-partner
-- The days on which a partner brought payments.
WITH RECURSIVE month (day) AS (SELECT ?2 UNION ALL SELECT day + 1 FROM month WHERE day + 1 < ?3)
SELECT d.day
  FROM month
 CROSS JOIN days d ON d.day = month.day AND d.partner = ?1
 WHERE ?2 < ?3
   AND d.payments > 0;

-- name: txnids-of-partner-between
SELECT txn_id
  FROM transactions
 WHERE paid_at >= ?2
   AND paid_at < ?3
   AND partner = ?1
 ORDER BY paid_at, txn_id;

-- name: account-balance
SELECT coalesce((SELECT balance FROM accounts WHERE name = ?), 0);

-- name: earnings
SELECT name, balance
  FROM accounts
 WHERE name LIKE 'partner:%'
 ORDER BY name;

-- Statements and their payouts.

-- name: unpaid-commissions
-- What statements may be about: of one partner, or of all.
SELECT id, partner
  FROM transactions
 WHERE commission IS NOT NULL
   AND payout = 0
   AND void = 0
   AND (?1 = '' OR partner = ?1);

-- name: transactions-booked-since
-- The payments that gave a partner something, or took it, since a place of the chain.
SELECT DISTINCT txn
  FROM entries
 WHERE seq > ?
   AND partner = ?
   AND txn IS NOT NULL;

-- name: newest-statement
SELECT coalesce(max(id), 0)
  FROM statements;

-- name: statement
SELECT seq, at, id, partner, follows, opening, closing, held, payable, minimum
  FROM statements
 WHERE id = ?;

-- name: statement-in-force
-- The newest of a partner that was neither declined nor replaced.
SELECT seq, at, id, partner, follows, opening, closing, held, payable, minimum
  FROM statements s
 WHERE partner = ?
   AND (SELECT step FROM standings n WHERE n.statement = s.id) NOT IN ('declined', 'replaced')
 ORDER BY id DESC
 LIMIT 1;

-- name: statements
SELECT seq, at, id, partner, follows, opening, closing, held, payable, minimum
  FROM statements
 WHERE at >= ?
   AND at < ?
 ORDER BY id;

-- name: statement-lines
SELECT kind, txn_id, amount, due_at, blocks
  FROM statement_lines
 WHERE statement = ?
 ORDER BY seq;

-- name: steps
SELECT seq, at, statement, step, way, utr, reason
  FROM steps
 WHERE statement = ?
 ORDER BY seq;

-- name: withholding
-- The newest of a statement.
SELECT seq, at, section, code, rate_bps, threshold, credited, base, amount
  FROM withholdings
 WHERE statement = ?
 ORDER BY seq DESC
 LIMIT 1;

-- name: statements-of-partner
SELECT seq, at, id, partner, follows, opening, closing, held, payable, minimum
  FROM statements
 WHERE partner = ?
 ORDER BY id;

-- name: first-statement
SELECT coalesce(max(at), 0)
  FROM statements
 WHERE id = 1;

-- name: tax-entries
-- What was deducted, and given back, with what the tax was worked out from.
SELECT e.at, e.partner, w.statement, w.section, w.code, w.rate_bps,
       CASE WHEN e.kind = 'withhold' THEN w.base ELSE -w.base END,
       CASE WHEN e.kind = 'withhold' THEN e.amount ELSE -e.amount END
  FROM entries e
  JOIN steps s ON s.seq = (SELECT max(p.seq) FROM steps p WHERE p.seq < e.seq)
  JOIN withholdings w ON w.seq = (SELECT max(x.seq)
                                    FROM withholdings x
                                   WHERE x.statement = s.statement
                                     AND x.seq < e.seq)
 WHERE e.txn IS NULL
   AND e.kind IN ('withhold', 'adjust')
   AND e.at >= ?
   AND e.at < ?
 ORDER BY e.seq;

-- name: paid-under
-- Which payout was paid under a bank's reference.
SELECT statement
  FROM steps
 WHERE step = 'paid'
   AND utr = ?
 ORDER BY seq DESC
 LIMIT 1;

-- name: entries-of-partner
-- What the hash of each covers, and of a payout's which it is.
SELECT e.seq, e.at, e.kind, e.debit, e.credit, e.amount, e.currency, coalesce(e.txn, 0), e.txn_id, e.partner,
       coalesce(s.statement, 0), coalesce(s.utr, '')
  FROM entries e
  LEFT JOIN steps s ON e.txn IS NULL AND s.seq = (SELECT max(p.seq) FROM steps p WHERE p.seq < e.seq)
 WHERE e.partner = ?
   AND e.seq > ?
   AND e.seq < ?
 ORDER BY e.seq;

-- name: partner-chain-at
-- Where a partner's chain ended before a place of the whole chain.
SELECT partner_hash
  FROM entries
 WHERE partner = ?
   AND seq < ?
 ORDER BY seq DESC
 LIMIT 1;

-- name: write-payouts
-- Which payout paid each commission that a statement was to pay: the first that stands, of those to the
-- partner who earns it now.
UPDATE transactions
   SET payout = coalesce((SELECT min(l.statement)
                            FROM statement_lines l
                            JOIN statements s ON s.id = l.statement
                            JOIN standings n ON n.statement = l.statement
                           WHERE l.txn_id = transactions.txn_id
                             AND l.kind = 'pays'
                             AND s.partner = transactions.partner
                             AND n.step = 'paid'), 0)
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id IN (SELECT txn_id
                    FROM statement_lines
                   WHERE statement = ?
                     AND kind = 'pays');

-- name: write-payout
-- The same of one commission, when it has come to another partner.
UPDATE transactions
   SET payout = coalesce((SELECT min(l.statement)
                            FROM statement_lines l
                            JOIN statements s ON s.id = l.statement
                            JOIN standings n ON n.statement = l.statement
                           WHERE l.txn_id = transactions.txn_id
                             AND l.kind = 'pays'
                             AND s.partner = transactions.partner
                             AND n.step = 'paid'), 0)
 WHERE id = ?;

-- name: insert-payout-file
INSERT INTO payout_files (id, at, body)
VALUES (?, ?, ?);

-- name: newest-payout-file
SELECT coalesce(max(id), 0)
  FROM payout_files;

-- name: payout-file
SELECT body
  FROM payout_files
 WHERE id = ?;

-- Questions to the gateway's API.

-- name: poll
SELECT next_at, error
  FROM polls
 WHERE txn = ?;

-- name: due-polls
-- Those put off further than any is were so by a clock that was ahead.
SELECT p.txn, t.txn_id, p.tries, p.next_at, t.paid_at
  FROM (SELECT * FROM (SELECT * FROM polls WHERE next_at <= ?1 ORDER BY next_at LIMIT ?3)
         UNION ALL
        SELECT * FROM (SELECT * FROM polls WHERE next_at > ?2 ORDER BY next_at LIMIT ?3)) p
  JOIN transactions t ON t.id = p.txn
 ORDER BY p.next_at
 LIMIT ?3;

-- name: orders-to-ask
-- The orders that the messages of a transaction name, those never asked about first, then those
-- asked about longest ago: however many a forger names, each gets its turn.
SELECT n.order_id
  FROM subjects m
  JOIN notifications n ON n.seq = m.seq
 WHERE m.subject = ?1
   AND n.kind = 'payment'
   AND n.unusable = ''
 GROUP BY n.order_id
 ORDER BY (SELECT coalesce(max(a.seq), 0)
             FROM answers a
            WHERE a.about = ?1
              AND a.asked = n.order_id),
       min(n.seq)
 LIMIT ?2;

-- name: links-to-ask
-- The numbers of the payment links and invoices that the messages of a transaction name, in the same
-- turn.
SELECT substr(n.reference, instr(n.reference, '_') + 1) AS link
  FROM subjects m
  JOIN notifications n ON n.seq = m.seq
 WHERE m.subject = ?1
   AND n.kind = 'payment'
   AND n.unusable = ''
   AND (n.reference GLOB 'LI_[0-9]*' OR n.reference GLOB 'INV_[0-9]*')
   AND substr(n.reference, instr(n.reference, '_') + 1) NOT GLOB '*[^0-9]*'
   AND length(n.reference) <= 22
 GROUP BY link
 ORDER BY (SELECT coalesce(max(a.seq), 0)
             FROM answers a
            WHERE a.about = ?1
              AND a.asked = 'link ' || link),
       min(n.seq)
 LIMIT ?2;

-- name: count-unasked-orders
-- How many orders that the messages of a transaction name were never asked about.
SELECT count(DISTINCT n.order_id)
  FROM subjects m
  JOIN notifications n ON n.seq = m.seq
 WHERE m.subject = ?1
   AND n.kind = 'payment'
   AND n.unusable = ''
   AND n.order_id <> ''
   AND NOT EXISTS (SELECT 1
                     FROM answers a
                    WHERE a.about = ?1
                      AND a.asked = n.order_id);

-- name: overdue-polls
SELECT count(*), coalesce(min(next_at), 0)
  FROM polls;

-- name: ask
-- Something new was said: at once, and as if for the first time.
INSERT INTO polls (txn, next_at, tries, error)
VALUES (?, ?, 0, '')
    ON CONFLICT DO UPDATE
   SET next_at = excluded.next_at,
       tries   = 0,
       error   = '';

-- name: ask-later
-- An answer came. next_at tells whether a message has moved the question meanwhile: then it stays.
UPDATE polls
   SET next_at = ?,
       tries   = 0,
       error   = ''
 WHERE txn = ?
   AND next_at = ?;

-- name: ask-again
-- No answer came.
UPDATE polls
   SET next_at = ?,
       tries   = tries + 1,
       error   = ?
 WHERE txn = ?
   AND next_at = ?;

-- name: answered
-- The answer settled it, unless a message has moved the question meanwhile.
DELETE FROM polls
 WHERE txn = ?
   AND next_at = ?;

-- name: never-ask
DELETE FROM polls
 WHERE txn = ?;

-- What verify compares.

-- name: bodies
-- The raw messages that are still kept.
SELECT notification, salt, body, packing, key
  FROM bodies
 ORDER BY notification;

-- name: customers
SELECT alias, kind, value
  FROM customers;

-- What belongs to the payments, each table in the order of these: the first column is the payment's id.

-- name: next-transaction
SELECT min(id)
  FROM transactions
 WHERE id >= ?;

-- name: all-transactions
-- Like all the queries that follow: of the payments whose ids lie between two.
-- With what is said of their commissions: where there is none, nothing may be.
SELECT id, id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse,
       commission IS NOT NULL OR reversed OR void OR rate_bps OR flat OR program OR due_at OR blocks <> '' OR payout,
       coalesce(commission, -1), reversed, void, rate_bps, flat, program, due_at, blocks, payout
  FROM transactions
 WHERE id BETWEEN ?1 AND ?2
 ORDER BY id;

-- name: all-messages
SELECT n.seq, n.seq, n.at, n.gateway, n.identity, n.kind, n.type, n.result, n.why, n.unusable, n.mid,
       n.txn_id, n.order_id, n.status, n.amount, n.currency, n.paid_at, n.reference, n.pos, n.campaign,
       n.customer, n.mode, n.unknown, n.refund_id, n.event, n.refund, n.refunds_sum, n.dispute_id,
       n.dispute, n.disputed
  FROM notifications n
 WHERE n.opens = 1
   AND n.seq BETWEEN ?1 AND ?2
 UNION ALL
SELECT t.id, n.seq, n.at, n.gateway, n.identity, n.kind, n.type, n.result, n.why, n.unusable, n.mid,
       n.txn_id, n.order_id, n.status, n.amount, n.currency, n.paid_at, n.reference, n.pos, n.campaign,
       n.customer, n.mode, n.unknown, n.refund_id, n.event, n.refund, n.refunds_sum, n.dispute_id,
       n.dispute, n.disputed
  FROM transactions t
 CROSS JOIN notifications n ON n.subject = t.txn_id AND n.opens = 0
 WHERE t.id BETWEEN ?1 AND ?2
 ORDER BY 1, 2;

-- name: all-bindings
-- The bindings of every order that a message names, with their clicks.
SELECT n.seq, o.seq, o.at, o.order_id, o.click_id, o.promo_code, o.customer, o.amount,
       CASE
       WHEN EXISTS (SELECT 1 FROM marks WHERE binding <> 0)
       THEN coalesce((SELECT group_concat(mark, ' ' ORDER BY mark) FROM marks m WHERE m.binding = o.seq AND m.binding <> 0), '')
       ELSE ''
       END,
       CASE
       WHEN o.promo_code = '' THEN 0
       ELSE (SELECT count(DISTINCT lower(promo_code)) FROM orders p WHERE p.order_id = o.order_id AND p.promo_code <> '')
       END,
       coalesce(c.seq, 0), coalesce(c.at, 0), coalesce(c.partner, ''), coalesce(c.sub, ''),
       coalesce(c.counted, ''),
       CASE
       WHEN EXISTS (SELECT 1 FROM imports)
       THEN coalesce((SELECT i.first <= c.seq FROM imports i
                       WHERE i.what = 'clicks' AND i.seq > c.seq ORDER BY i.seq LIMIT 1), 0)
       ELSE 0
       END
  FROM notifications n
 CROSS JOIN orders o ON o.order_id = n.order_id
  LEFT JOIN clicks c ON c.id = o.click_id
 WHERE n.opens = 1
   AND n.seq BETWEEN ?1 AND ?2
 UNION ALL
SELECT t.id, o.seq, o.at, o.order_id, o.click_id, o.promo_code, o.customer, o.amount,
       CASE
       WHEN EXISTS (SELECT 1 FROM marks WHERE binding <> 0)
       THEN coalesce((SELECT group_concat(mark, ' ' ORDER BY mark) FROM marks m WHERE m.binding = o.seq AND m.binding <> 0), '')
       ELSE ''
       END,
       CASE
       WHEN o.promo_code = '' THEN 0
       ELSE (SELECT count(DISTINCT lower(promo_code)) FROM orders p WHERE p.order_id = o.order_id AND p.promo_code <> '')
       END,
       coalesce(c.seq, 0), coalesce(c.at, 0), coalesce(c.partner, ''), coalesce(c.sub, ''),
       coalesce(c.counted, ''),
       CASE
       WHEN EXISTS (SELECT 1 FROM imports)
       THEN coalesce((SELECT i.first <= c.seq FROM imports i
                       WHERE i.what = 'clicks' AND i.seq > c.seq ORDER BY i.seq LIMIT 1), 0)
       ELSE 0
       END
  FROM transactions t
 CROSS JOIN notifications n ON n.subject = t.txn_id AND n.opens = 0
 CROSS JOIN orders o ON o.order_id = n.order_id
  LEFT JOIN clicks c ON c.id = o.click_id
 WHERE n.kind = 'payment'
   AND n.unusable = ''
   AND t.id BETWEEN ?1 AND ?2
 ORDER BY 1, 2;

-- name: all-answers
-- Like those that follow, it ends before the first payment where the table is empty.
SELECT t.id, a.seq, a.at, a.asked, a.result, a.txn_id, a.order_id, a.amount, a.paid_at, a.reference,
       a.pos, a.code, a.text, a.definite
  FROM transactions t
 CROSS JOIN answers a ON a.about = t.txn_id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM answers LIMIT 1)
 ORDER BY t.id, a.seq;

-- name: all-decisions
SELECT t.id, d.seq, d.at, d.agree, d.amount, d.reason
  FROM transactions t
 CROSS JOIN decisions d ON d.txn_id = t.txn_id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM decisions LIMIT 1)
 ORDER BY t.id, d.seq;

-- name: all-dues
SELECT t.id, d.seq, d.at, d.partner, d.basis, d.value, d.rate_bps, d.flat, d.program
  FROM transactions t
 CROSS JOIN dues d ON d.txn_id = t.txn_id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM dues LIMIT 1)
 ORDER BY t.id;

-- name: all-repricings
SELECT t.id, r.program
  FROM transactions t
 CROSS JOIN repricings r ON r.txn_id = t.txn_id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM repricings LIMIT 1)
 ORDER BY t.id, r.seq;

-- name: all-reviews
SELECT t.id, r.seq, r.at, r.partner, r.accept, r.reason
  FROM transactions t
 CROSS JOIN reviews r ON r.txn_id = t.txn_id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM reviews LIMIT 1)
 ORDER BY t.id, r.seq;

-- name: all-payers
SELECT t.id, m.mark
  FROM transactions t
 CROSS JOIN marks m ON m.txn_id = t.txn_id AND m.txn_id <> ''
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM marks WHERE txn_id <> '' LIMIT 1)
 ORDER BY t.id, m.seq;

-- name: all-candidates
SELECT txn, rank, basis, value, partner, verdict, counts
  FROM attributions
 WHERE txn BETWEEN ?1 AND ?2
 UNION ALL
SELECT id, 0, basis, value, partner, verdict, 1
  FROM transactions
 WHERE verdict <> ''
   AND id BETWEEN ?1 AND ?2
 ORDER BY 1, 2;

-- name: all-bookings
-- What each entry gives a partner, or takes.
SELECT t.id, e.partner,
       CASE e.kind
       WHEN 'earn' THEN e.amount
       WHEN 'reverse' THEN -e.amount
       ELSE 0
       END
  FROM transactions t
 CROSS JOIN entries e ON e.seq = t.id + 1 AND e.txn = t.id
 WHERE t.id BETWEEN ?1 AND ?2
 UNION ALL
SELECT e.txn, e.partner,
       CASE e.kind
       WHEN 'earn' THEN e.amount
       WHEN 'reverse' THEN -e.amount
       ELSE 0
       END
  FROM entries e
 WHERE e.seq <> e.txn + 1
   AND e.txn BETWEEN ?1 AND ?2
 ORDER BY 1;

-- name: all-payouts
-- The payouts that paid each commission: the first counts.
SELECT t.id, l.statement
  FROM transactions t
 CROSS JOIN statement_lines l ON l.txn_id = t.txn_id
 CROSS JOIN statements s ON s.id = l.statement AND s.partner = t.partner
 CROSS JOIN standings n ON n.statement = s.id
 WHERE t.id BETWEEN ?1 AND (SELECT ?2 FROM statement_lines LIMIT 1)
   AND l.kind = 'pays'
   AND n.step = 'paid'
 ORDER BY t.id, l.statement;

-- name: clicks-that-count
SELECT at, partner
  FROM clicks
 WHERE counted = '';

-- Books that are made anew.

-- name: columns
SELECT name, type
  FROM pragma_table_info(?);

-- name: transactions-with-older-ids
-- Those whose id is not the place of the message that they begin with.
SELECT id, txn_id
  FROM transactions t
 WHERE NOT EXISTS (SELECT 1 FROM notifications n WHERE n.seq = t.id AND n.opens = 1)
 ORDER BY id;

-- name: txnids-by-id
-- The next so many; the TXNID goes along with the place where the last ones ended.
SELECT id, txn_id
  FROM transactions
 WHERE (id, txn_id) > (?, ?)
 ORDER BY id
 LIMIT ?;

-- name: txnids-by-payment
SELECT paid_at, txn_id
  FROM transactions
 WHERE (paid_at, txn_id) > (?, ?)
 ORDER BY paid_at, txn_id
 LIMIT ?;

-- name: stray-notifications
-- Of the messages that begin a transaction, stray-openings knows.
SELECT count(*)
  FROM notifications n
 WHERE opens = 0
   AND kind = 'payment'
   AND unusable = ''
   AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.gateway = n.gateway
                      AND t.mid = (SELECT value FROM settings WHERE name = 'mid')
                      AND t.txn_id = n.txn_id);

-- name: stray-entries
-- Those of payouts have none: the walk along the chain looks at them.
SELECT count(*)
  FROM entries e
 WHERE txn IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM transactions t WHERE t.id = e.txn AND t.txn_id = e.txn_id);

-- name: stray-lines
SELECT count(*)
  FROM statement_lines l
 WHERE NOT EXISTS (SELECT 1 FROM transactions t WHERE t.gateway = 'paytm'
                      AND t.mid = (SELECT value FROM settings WHERE name = 'mid')
                      AND t.txn_id = l.txn_id);

-- name: stray-openings
SELECT count(*)
  FROM notifications n
 WHERE opens <> EXISTS (SELECT 1 FROM transactions t WHERE t.id = n.seq AND t.txn_id = n.subject);

-- name: stray-attributions
SELECT count(*)
  FROM attributions a
 WHERE NOT EXISTS (SELECT 1 FROM transactions t WHERE t.id = a.txn);

-- Exports: what falls from one time up to another.

-- name: export-clicks
SELECT id, partner, at, sub, counted
  FROM clicks
 WHERE at >= ?
   AND at < ?
 ORDER BY seq;

-- name: export-orders
-- The binding in force of each order. A customer that was forgotten is ''.
SELECT o.order_id, o.click_id, o.promo_code, coalesce(c.value, ''), o.at, o.amount
  FROM orders o
  LEFT JOIN customers c ON c.alias = o.customer
 WHERE o.at >= ?
   AND o.at < ?
   AND NOT EXISTS (SELECT 1 FROM orders n WHERE n.order_id = o.order_id AND n.seq > o.seq)
 ORDER BY o.seq;

-- name: export-notifications
-- The columns of notifications, and how often each came.
SELECT seq, at, gateway, identity, kind, type, result, why, unusable, mid, txn_id, order_id,
       status, amount, currency, paid_at, reference, pos, campaign, customer, mode, unknown,
       refund_id, event, refund, refunds_sum, dispute_id, dispute, disputed,
       coalesce((SELECT times FROM deliveries d WHERE d.notification = n.seq), 1)
  FROM notifications n
 WHERE at >= ?
   AND at < ?
 ORDER BY seq;

-- name: export-transactions
-- The columns of transactions, and how many messages came, repeats counted.
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse,
       (SELECT sum(coalesce((SELECT times FROM deliveries d WHERE d.notification = m.seq), 1))
          FROM subjects m
         WHERE m.subject = t.txn_id)
  FROM transactions t
 WHERE paid_at >= ?
   AND paid_at < ?
 ORDER BY paid_at, txn_id;

-- name: export-refunds
-- One row a refund, whatever its messages say; the time is its payment's when that is known.
SELECT n.gateway, n.refund_id, n.txn_id, max(n.order_id), max(n.refund), t.id IS NOT NULL,
       max(n.event = 'succeeded'), max(n.event = 'refused')
  FROM notifications n
  LEFT JOIN transactions t ON t.txn_id = n.txn_id
 WHERE n.kind = 'refund'
   AND n.unusable = ''
 GROUP BY n.gateway, n.txn_id, n.refund_id
HAVING coalesce(t.paid_at, min(n.at)) >= ?
   AND coalesce(t.paid_at, min(n.at)) < ?
 ORDER BY min(n.seq);

-- name: export-attributions
SELECT t.txn_id, a.basis, a.value, a.partner, a.verdict, a.counts
  FROM transactions t
  JOIN candidates a ON a.txn = t.id
 WHERE t.paid_at >= ?
   AND t.paid_at < ?
 ORDER BY t.paid_at, t.txn_id, a.rank;

-- name: export-commissions
SELECT txn_id, partner, commission, reversed, void, currency, basis, rate_bps, flat, program, paid_at,
       due_at, blocks, payout
  FROM transactions
 WHERE paid_at >= ?
   AND paid_at < ?
   AND commission IS NOT NULL
 ORDER BY paid_at, txn_id;

-- name: export-ledger
-- An entry of a payout belongs to the step before it.
SELECT e.seq, e.at, e.kind, e.debit, e.credit, e.amount, e.currency, e.txn_id, e.partner, e.hash,
       coalesce(s.statement, 0), coalesce(s.utr, '')
  FROM entries e
  LEFT JOIN steps s ON e.txn IS NULL AND s.seq = (SELECT max(p.seq) FROM steps p WHERE p.seq < e.seq)
 WHERE e.at >= ?
   AND e.at < ?
 ORDER BY e.seq;

-- Messages for the shop.

-- name: queue-forward
-- A repeat changes nothing, unless the message was given up: then its tries begin anew.
INSERT INTO forwards (at, subject, digest, content_type, body, key, tries, next_at, said, ended_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?1, '', NULL)
    ON CONFLICT (digest) DO UPDATE
   SET subject  = excluded.subject,
       tries    = 0,
       next_at  = excluded.next_at,
       ended_at = NULL
 WHERE next_at IS NULL
   AND body IS NOT NULL;

-- name: count-refused-forwards
SELECT count(*)
  FROM forwards
 WHERE subject = ''
   AND next_at IS NOT NULL;

-- name: due-forwards
-- Those put off further than any is were so by a clock that was ahead.
SELECT id, content_type, digest, body, key, tries
  FROM (SELECT * FROM (SELECT * FROM forwards WHERE next_at <= ?1 ORDER BY next_at, id LIMIT ?3)
         UNION ALL
        SELECT * FROM (SELECT * FROM forwards WHERE next_at > ?2 ORDER BY next_at, id LIMIT ?3))
 ORDER BY next_at, id
 LIMIT ?3;

-- name: forward-taken
UPDATE forwards
   SET body     = NULL,
       key      = NULL,
       tries    = tries + 1,
       next_at  = NULL,
       said     = ?,
       ended_at = ?
 WHERE id = ?;

-- name: forward-failed
-- Without a next time it is given up; its body stays.
UPDATE forwards
   SET tries    = tries + 1,
       next_at  = ?2,
       said     = ?1,
       ended_at = CASE WHEN ?2 IS NULL THEN ?3 END
 WHERE id = ?4;

-- name: forget-forwards
DELETE FROM forwards
 WHERE ended_at < ?;

-- name: try-forwards-again
-- What was given up begins anew.
UPDATE forwards
   SET tries    = 0,
       next_at  = ?,
       ended_at = NULL
 WHERE next_at IS NULL
   AND body IS NOT NULL;

-- name: count-changes
SELECT changes();

-- name: forwards-standing
-- How many wait, since when the first of them does, how many were given up, and what came of the
-- last try of one that was not taken.
SELECT coalesce(sum(next_at IS NOT NULL), 0),
       coalesce(min(CASE WHEN next_at IS NOT NULL THEN at END), 0),
       coalesce(sum(next_at IS NULL AND body IS NOT NULL), 0),
       coalesce((SELECT said FROM forwards WHERE body IS NOT NULL AND said <> '' ORDER BY id LIMIT 1), '')
  FROM forwards
 WHERE body IS NOT NULL;

-- name: forwards-about
SELECT at, tries, next_at, said, ended_at, body IS NULL
  FROM forwards
 WHERE subject = ?
 ORDER BY id;

-- name: insert-reconciliation
INSERT INTO reconciliations (at, from_at, to_at, source, listed, missing, mismatched, unrefunded,
                             unlisted, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: last-reconciliation
-- Of the newest so many the one that reaches furthest: a person may look at an old month in between. One that is
-- later than now, or than one that came after it, was made while the clock was ahead and did not reach what it says.
SELECT at, from_at, to_at, listed, missing, mismatched, unrefunded, unlisted, error
  FROM (SELECT *, min(at) OVER (ORDER BY id DESC) AS earliest
          FROM (SELECT * FROM reconciliations WHERE source = ?1 ORDER BY id DESC LIMIT ?3))
 WHERE at <= earliest
   AND at <= ?2
 ORDER BY to_at DESC, id DESC
 LIMIT 1;

-- name: swept-until
-- A short look by a person in between does not count: it may have left a gap. Nor does one of a clock that was
-- ahead, as above.
SELECT coalesce(max(to_at), 0)
  FROM (SELECT *, min(at) OVER (ORDER BY id DESC) AS earliest
          FROM (SELECT * FROM reconciliations WHERE source = ?1 AND error = '' ORDER BY id DESC LIMIT ?3))
 WHERE at <= earliest
   AND at <= ?2
   AND to_at - from_at >= ?4;

-- name: transactions-paid-between
SELECT id, gateway, mid, txn_id, order_id, status, amount, currency, paid_at, first_at, refunded,
       confirmation, conflict, customer, partner, basis, value, why, abuse
  FROM transactions
 WHERE paid_at >= ?
   AND paid_at < ?
 ORDER BY paid_at, txn_id;

-- Who signs in, and what they did.

-- name: person
SELECT id, email, name, partner, role, password, totp, totp_step, created_at, seen_at, disabled_at
  FROM people
 WHERE id = ?;

-- name: person-of-shop
SELECT id, email, name, partner, role, password, totp, totp_step, created_at, seen_at, disabled_at
  FROM people
 WHERE email = ?
   AND partner = '';

-- name: person-of-portal
SELECT id, email, name, partner, role, password, totp, totp_step, created_at, seen_at, disabled_at
  FROM people
 WHERE email = ?
   AND partner <> '';

-- name: person-of-partner
SELECT id, email, name, partner, role, password, totp, totp_step, created_at, seen_at, disabled_at
  FROM people
 WHERE partner = ?
   AND partner <> '';

-- name: person-of-link
SELECT p.id, p.email, p.name, p.partner, p.role, p.password, p.totp, p.totp_step, p.created_at, p.seen_at,
       p.disabled_at
  FROM links l
  JOIN people p ON p.id = l.person
 WHERE l.hash = ?
   AND l.used_at IS NULL
   AND l.ends_at > ?
   AND l.mailed = ?
   AND p.disabled_at IS NULL;

-- name: people
SELECT id, email, name, partner, role, password, totp, totp_step, created_at, seen_at, disabled_at
  FROM people
 WHERE partner = ''
 ORDER BY id;

-- name: insert-person
INSERT INTO people (email, name, partner, role, password, totp, totp_step, created_at)
VALUES (?, ?, ?, ?, '', x'', 0, ?);

-- name: set-person
UPDATE people
   SET email = ?,
       role  = ?
 WHERE id = ?;

-- name: set-disabled
UPDATE people
   SET disabled_at = ?
 WHERE id = ?;

-- name: set-password
UPDATE people
   SET password = ?
 WHERE id = ?;

-- name: set-totp
UPDATE people
   SET totp      = ?,
       totp_step = ?
 WHERE id = ?;

-- name: use-totp
UPDATE people
   SET totp_step = ?2
 WHERE id = ?1
   AND totp_step < ?2;

-- name: signed-in
UPDATE people
   SET seen_at = ?
 WHERE id = ?;

-- name: count-other-owners
SELECT count(*)
  FROM people
 WHERE role = 'owner'
   AND disabled_at IS NULL
   AND id <> ?;

-- name: insert-link
INSERT INTO links (hash, person, at, ends_at, mailed)
VALUES (?, ?, ?, ?, ?);

-- name: use-link
UPDATE links
   SET used_at = ?
 WHERE hash = ?;

-- name: end-mailed-links
-- Those of one person; of everybody those that are over.
DELETE FROM links
 WHERE mailed = 1
   AND (person = ?1 OR ends_at <= ?2);

-- name: end-links
DELETE FROM links
 WHERE person = ?
   AND used_at IS NULL;

-- name: insert-session
INSERT INTO sessions (hash, person, at, seen_at, ends_at, again_at, waits)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: session
SELECT s.at, s.seen_at, s.ends_at, s.again_at, s.waits,
       p.id, p.email, p.name, p.partner, p.role, p.password, p.totp, p.totp_step, p.created_at, p.seen_at,
       p.disabled_at
  FROM sessions s
  JOIN people p ON p.id = s.person
 WHERE s.hash = ?;

-- name: see-session
UPDATE sessions
   SET seen_at = ?
 WHERE hash = ?;

-- name: end-session
DELETE FROM sessions
 WHERE hash = ?;

-- name: end-sessions
DELETE FROM sessions
 WHERE person = ?
   AND hash <> ?;

-- name: end-old-sessions
DELETE FROM sessions
 WHERE ends_at < ?;

-- name: count-sessions
SELECT count(*)
  FROM sessions
 WHERE person = ?
   AND waits = 0
   AND ends_at > ?;

-- name: void-sessions
DELETE FROM sessions;

-- name: void-links
DELETE FROM links
 WHERE used_at IS NULL;

-- name: insert-act
INSERT INTO acts (at, who, act, about, note, network)
VALUES (?, ?, ?, ?, ?, ?);

-- name: acts
-- Newest first, behind the one that the page before ended with; who is '' for all.
SELECT id, at, who, act, about, note, network
  FROM acts
 WHERE id < ?1
   AND (?2 = '' OR who = ?2)
   AND ?3 = ''
 ORDER BY id DESC
 LIMIT ?4;

-- name: acts-about
SELECT id, at, who, act, about, note, network
  FROM acts
 WHERE about = ?3
   AND id < ?1
   AND (?2 = '' OR who = ?2)
 ORDER BY id DESC
 LIMIT ?4;

-- Pages. Each query stops after so many rows, or reads only what a partial index holds. The lists of
-- payments select all the same columns.

-- name: give-up
INSERT INTO given_up (txn)
VALUES (?)
    ON CONFLICT DO NOTHING;

-- name: tidy-given-up
-- What was settled since.
DELETE FROM given_up
 WHERE EXISTS (SELECT 1 FROM transactions t WHERE t.id = given_up.txn AND t.confirmation <> 'waiting');

-- name: page-payments
-- Between two places in the order of payment. Each filter is off when its argument is empty, or below nothing.
SELECT *
  FROM payment_lines
 WHERE paid_at >= ?1
   AND paid_at <= ?2
   AND (paid_at < ?2 OR id < ?3)
   AND (?4 = '' OR partner = ?4)
   AND (?5 < 0 OR amount = ?5)
   AND CASE ?6
       WHEN '' THEN 1
       WHEN 'pending' THEN status = 'pending'
       WHEN 'failed' THEN status = 'failed'
       WHEN 'refunded' THEN refunded > 0
       WHEN 'nobody' THEN commission IS NULL AND status = 'success'
       WHEN 'reversed' THEN commission IS NOT NULL AND void
       WHEN 'paid' THEN commission IS NOT NULL AND NOT void AND payout <> 0
       WHEN 'held' THEN commission IS NOT NULL AND NOT void AND payout = 0 AND (due_at > ?7 OR blocks <> '')
       WHEN 'due' THEN commission IS NOT NULL AND NOT void AND payout = 0 AND due_at <= ?7 AND blocks = ''
       END
 ORDER BY paid_at DESC, id DESC
 LIMIT ?8;

-- name: page-stretch
-- How many of the next so many payments there are before a place, and when the last of them was paid.
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE paid_at >= ?1
           AND paid_at <= ?2
           AND (paid_at < ?2 OR id < ?3)
         ORDER BY paid_at DESC, id DESC
         LIMIT ?4);

-- name: page-day-before
-- The newest day, of those from one to another, on which a partner had anything.
WITH RECURSIVE back (day) AS (SELECT ?2 UNION ALL SELECT day - 1 FROM back WHERE day > ?3)
SELECT back.day
  FROM back
 CROSS JOIN days d ON d.day = back.day AND d.partner = ?1
 WHERE ?2 >= ?3
 LIMIT 1;

-- name: page-first-and-last-day
-- Two questions, because SQLite answers each of them from one end of the table.
SELECT coalesce((SELECT min(day) FROM days), 0), coalesce((SELECT max(day) FROM days), 0);

-- name: page-payment
SELECT *
  FROM payment_lines
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id = ?;

-- name: page-txnids-like
-- Those that begin so, the newest first: Paytm's begin with the date.
SELECT txn_id
  FROM transactions
 WHERE gateway = 'paytm'
   AND mid = (SELECT value FROM settings WHERE name = 'mid')
   AND txn_id >= ?1
   AND txn_id < ?1 || char(1114111)
 ORDER BY txn_id DESC
 LIMIT ?2;

-- name: page-txnids-of-orders-like
-- Of messages about orders that begin so.
SELECT txn_id
  FROM notifications
 WHERE kind = 'payment'
   AND order_id >= ?1
   AND order_id < ?1 || char(1114111)
 ORDER BY order_id
 LIMIT ?2;

-- name: page-txnids-of-longer-orders
-- Of orders with a timestamp behind them.
SELECT txn_id
  FROM notifications
 WHERE kind = 'payment'
   AND order_id > ?1 || '_'
   AND order_id < ?1 || '`'
   AND length(order_id) = length(?1) + 15
 ORDER BY order_id
 LIMIT ?2;

-- name: page-txnids-of-bank
-- One look-up a day, back from the newest. What is forgotten is not found.
WITH RECURSIVE back (day) AS (SELECT ?2 UNION ALL SELECT day - 1 FROM back WHERE day > ?3)
SELECT n.txn_id
  FROM back
 CROSS JOIN banks b ON b.bank = (back.day << 40) + ?1
 CROSS JOIN bodies o ON o.notification = b.notification
 CROSS JOIN notifications n ON n.seq = b.notification
 WHERE n.txn_id <> ''
 LIMIT ?4;

-- name: needs-conflicts
SELECT *
  FROM payment_lines
 WHERE conflict <> ''
   AND paid_at <= ?1
   AND (paid_at < ?1 OR id < ?2)
 ORDER BY paid_at DESC, id DESC
 LIMIT ?3;

-- name: count-conflicts
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE conflict <> ''
         ORDER BY paid_at
         LIMIT ?);

-- name: needs-blocked
-- Conflicts have a list of their own.
SELECT *
  FROM payment_lines
 WHERE blocks <> ''
   AND blocks <> 'unconfirmed'
   AND void = 0
   AND payout = 0
   AND conflict = ''
   AND instr(blocks, ?1) > 0
   AND paid_at <= ?2
   AND (paid_at < ?2 OR id < ?3)
 ORDER BY paid_at DESC, id DESC
 LIMIT ?4;

-- name: count-blocked
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE blocks <> ''
           AND blocks <> 'unconfirmed'
           AND void = 0
           AND payout = 0
           AND conflict = ''
           AND instr(blocks, ?1) > 0
         ORDER BY paid_at
         LIMIT ?2);

-- name: needs-disputed
-- What was paid out too: its dispute is lost when nobody answers it. Conflicts have a list of their own.
SELECT *
  FROM payment_lines
 WHERE blocks <> ''
   AND blocks <> 'unconfirmed'
   AND instr(blocks, 'dispute') > 0
   AND conflict = ''
   AND paid_at <= ?1
   AND (paid_at < ?1 OR id < ?2)
 ORDER BY paid_at DESC, id DESC
 LIMIT ?3;

-- name: count-disputed
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE blocks <> ''
           AND blocks <> 'unconfirmed'
           AND instr(blocks, 'dispute') > 0
           AND conflict = ''
         ORDER BY paid_at
         LIMIT ?);

-- name: needs-denied
-- Lately, and as long as no person has said anything.
SELECT *
  FROM payment_lines
 WHERE void = 1
   AND confirmation = 'denied'
   AND paid_at >= ?1
   AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.txn_id = payment_lines.txn_id)
   AND paid_at <= ?2
   AND (paid_at < ?2 OR id < ?3)
 ORDER BY paid_at DESC, id DESC
 LIMIT ?4;

-- name: count-denied
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE void = 1
           AND confirmation = 'denied'
           AND paid_at >= ?1
           AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.txn_id = transactions.txn_id)
         ORDER BY paid_at
         LIMIT ?2);

-- name: needs-expired
-- What the API does not know for long: given up, or still to be asked about. Of the latter the oldest so many
-- are looked at.
SELECT *
  FROM payment_lines
 WHERE id IN (SELECT txn
                FROM given_up
               UNION ALL
              SELECT txn
                FROM (SELECT txn FROM polls ORDER BY txn LIMIT ?4))
   AND confirmation = 'waiting'
   AND first_at <= ?1
   AND paid_at <= ?2
   AND (paid_at < ?2 OR id < ?3)
 ORDER BY paid_at DESC, id DESC
 LIMIT ?5;

-- name: count-expired
SELECT count(*), coalesce(min(paid_at), 0)
  FROM (SELECT paid_at
          FROM transactions
         WHERE id IN (SELECT txn
                        FROM given_up
                       UNION ALL
                      SELECT txn
                        FROM (SELECT txn FROM polls ORDER BY txn LIMIT ?2))
           AND confirmation = 'waiting'
           AND first_at <= ?1
         ORDER BY paid_at
         LIMIT ?3);

-- name: needs-review
SELECT seq, at, gateway, identity, kind, type, result, why, unusable, mid, txn_id, order_id,
       status, amount, currency, paid_at, reference, pos, campaign, customer, mode, unknown,
       refund_id, event, refund, refunds_sum, dispute_id, dispute, disputed
  FROM notifications
 WHERE result = 'review'
   AND at >= ?1
   AND at <= ?2
   AND (at < ?2 OR seq < ?3)
 ORDER BY at DESC, seq DESC
 LIMIT ?4;

-- name: count-review
SELECT count(*), coalesce(min(at), 0)
  FROM (SELECT at
          FROM notifications
         WHERE result = 'review'
           AND at >= ?1
         ORDER BY at
         LIMIT ?2);

-- name: needs-refunds
-- Refunds whose payment is not known, among the newest so many.
SELECT seq, at, gateway, identity, kind, type, result, why, unusable, mid, txn_id, order_id,
       status, amount, currency, paid_at, reference, pos, campaign, customer, mode, unknown,
       refund_id, event, refund, refunds_sum, dispute_id, dispute, disputed
  FROM (SELECT *
          FROM notifications
         WHERE kind = 'refund'
           AND at >= ?1
         ORDER BY at DESC, seq DESC
         LIMIT ?5) n
 WHERE at <= ?2
   AND (at < ?2 OR seq < ?3)
   AND unusable = ''
   AND NOT EXISTS (SELECT 1
                     FROM transactions t
                    WHERE t.gateway = 'paytm'
                      AND t.mid = (SELECT value FROM settings WHERE name = 'mid')
                      AND t.txn_id = n.txn_id)
 ORDER BY at DESC, seq DESC
 LIMIT ?4;

-- name: count-refunds
SELECT count(*), coalesce(min(at), 0)
  FROM (SELECT at
          FROM (SELECT *
                  FROM notifications
                 WHERE kind = 'refund'
                   AND at >= ?1
                 ORDER BY at DESC, seq DESC
                 LIMIT ?3) n
         WHERE unusable = ''
           AND NOT EXISTS (SELECT 1
                             FROM transactions t
                            WHERE t.gateway = 'paytm'
                              AND t.mid = (SELECT value FROM settings WHERE name = 'mid')
                              AND t.txn_id = n.txn_id)
         ORDER BY at
         LIMIT ?2);

-- name: needs-forwards
-- Messages that the shop never took.
SELECT id, at, subject, tries, said, ended_at
  FROM forwards
 WHERE next_at IS NULL
   AND body IS NOT NULL
   AND at <= ?1
   AND (at < ?1 OR id < ?2)
 ORDER BY at DESC, id DESC
 LIMIT ?3;

-- name: count-forwards
SELECT count(*), coalesce(min(at), 0)
  FROM (SELECT at
          FROM forwards
         WHERE next_at IS NULL
           AND body IS NOT NULL
         ORDER BY at
         LIMIT ?);

-- name: page-by-day
-- Of the whole shop.
SELECT *
  FROM shop_days
 WHERE day >= ?
   AND day < ?
 ORDER BY day;

-- name: page-by-partner
-- Whole months, from one to another, and the days before and behind them.
SELECT partner, sum(clicks), sum(payments), sum(sales), sum(refunds), sum(commission), sum(reversed),
       sum(confirmed)
  FROM (SELECT *
          FROM days
         WHERE day >= ?1
           AND day < ?2
         UNION ALL
        SELECT *
          FROM months
         WHERE month >= ?2
           AND month < ?3
         UNION ALL
        SELECT *
          FROM days
         WHERE day >= ?3
           AND day < ?4)
 GROUP BY partner;

-- name: page-days-of-partner
WITH RECURSIVE span (day) AS (SELECT ?2 UNION ALL SELECT day + 1 FROM span WHERE day + 1 < ?3)
SELECT d.day, d.clicks, d.payments, d.sales, d.refunds, d.commission, d.reversed, d.confirmed
  FROM span
 CROSS JOIN days d ON d.day = span.day AND d.partner = ?1
 WHERE ?2 < ?3
 ORDER BY d.day;

-- name: page-balances
-- What partners' accounts come to together.
SELECT coalesce(sum(balance), 0)
  FROM accounts
 WHERE name >= 'partner:'
   AND name < 'partner;';

-- name: page-held-between
-- What of the commissions of some time is not due yet for its hold period; of one partner, or of each.
SELECT partner, sum(commission - reversed)
  FROM transactions
 WHERE paid_at >= ?1
   AND paid_at < ?2
   AND due_at > ?3
   AND commission IS NOT NULL
   AND void = 0
   AND payout = 0
   AND (?4 = '' OR partner = ?4)
 GROUP BY partner;

-- name: page-held-blocked
-- What is blocked though its hold period is over; of those still asked about the oldest so many are looked at.
SELECT partner, sum(commission - reversed)
  FROM (SELECT commission, reversed, due_at, partner
          FROM transactions
         WHERE blocks <> ''
           AND blocks <> 'unconfirmed'
           AND void = 0
           AND payout = 0
         UNION ALL
        SELECT commission, reversed, due_at, partner
          FROM transactions
         WHERE id IN (SELECT txn
                        FROM given_up
                       UNION ALL
                      SELECT txn
                        FROM (SELECT txn FROM polls ORDER BY txn LIMIT ?3))
           AND blocks = 'unconfirmed'
           AND void = 0
           AND payout = 0)
 WHERE due_at <= ?1
   AND (?2 = '' OR partner = ?2)
 GROUP BY partner;

-- name: page-next-due
-- When the next commission becomes due, among the oldest so many payments within the hold period.
SELECT coalesce(min(due_at), 0)
  FROM (SELECT due_at, commission, void, partner
          FROM transactions
         WHERE paid_at >= ?1
         ORDER BY paid_at
         LIMIT ?4)
 WHERE commission > 0
   AND void = 0
   AND due_at > ?2
   AND (?3 = '' OR partner = ?3);

-- name: page-clicks-of
-- A partner's newest, among the newest so many facts.
SELECT at, sub, counted
  FROM clicks
 WHERE seq > (SELECT seq FROM head) - ?2
   AND partner = ?1
 ORDER BY seq DESC
 LIMIT ?3;

-- name: page-clicks-by-sub
-- Among the newest so many clicks of a partner that carry sub-ids.
SELECT sub, count(*), max(at)
  FROM (SELECT sub, at
          FROM clicks
         WHERE partner = ?1
           AND sub <> ''
         ORDER BY seq DESC
         LIMIT ?2)
 GROUP BY sub
 ORDER BY 2 DESC, 3 DESC
 LIMIT ?3;

-- name: page-statements
-- Back from one, by id: what they began with and how they stand.
SELECT s.id, s.partner, s.payable, s.minimum, n.step
  FROM statements s
  JOIN standings n ON n.statement = s.id
 WHERE s.id < ?1
   AND (?2 = '' OR s.partner = ?2)
 ORDER BY s.id DESC
 LIMIT ?3;

-- name: page-drafts
-- How many wait to be approved. One that does is the last of its partner, because drafting another ends it.
SELECT count(*)
  FROM contacts
  JOIN statements s ON s.id = (SELECT max(id) FROM statements WHERE partner = contacts.partner)
 WHERE s.payable > 0
   AND s.payable >= s.minimum
   AND NOT EXISTS (SELECT 1 FROM steps WHERE statement = s.id);

-- name: page-ready
-- What is approved and not sent yet, less the tax that was deducted by the approval: of each partner the last
-- statement, as above.
SELECT s.id, s.partner,
       s.payable - coalesce((SELECT w.amount
                               FROM withholdings w
                              WHERE w.statement = s.id
                                AND w.seq > (SELECT max(seq)
                                               FROM steps
                                              WHERE statement = s.id
                                                AND step = 'approved')
                              ORDER BY w.seq DESC
                              LIMIT 1), 0),
       contacts.name, contacts.account, contacts.ifsc
  FROM contacts
  JOIN statements s ON s.id = (SELECT max(id) FROM statements WHERE partner = contacts.partner)
 WHERE (SELECT step FROM steps WHERE statement = s.id ORDER BY seq DESC LIMIT 1) = 'approved'
 ORDER BY s.id DESC;

-- name: body-of
SELECT b.body, b.packing, b.key, n.body_mac
  FROM bodies b
  JOIN notifications n ON n.seq = b.notification
 WHERE b.notification = ?;

-- name: page-payout-files
SELECT id, at
  FROM payout_files
 ORDER BY id DESC
 LIMIT ?;

-- name: page-payouts-of-file
-- Those that went into a file: every one is one of its steps, booked in one transaction.
SELECT statement
  FROM steps
 WHERE way = ?
   AND way <> ''
   AND step = 'sent'
 ORDER BY seq;

-- name: newest-fact
SELECT seq
  FROM head;

-- name: page-news
-- What the tables have behind a place of the chain: each is looked at from its end.
SELECT (SELECT seq FROM head),
       (SELECT count(*)
          FROM (SELECT 1 FROM transactions WHERE id > ?1 LIMIT ?2)),
       EXISTS (SELECT 1 FROM notifications WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM answers WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM decisions WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM reviews WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM orders WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM entries WHERE seq > ?1),
       EXISTS (SELECT 1 FROM statements WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM steps WHERE seq > ?1),
       EXISTS (SELECT 1 FROM partners WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM codes WHERE seq > ?1)
       OR EXISTS (SELECT 1 FROM code_rates WHERE seq > ?1),
       EXISTS (SELECT 1 FROM clicks WHERE seq > ?1);

-- name: page-news-of
-- The same of one partner, so that nobody hears when others sell. The caller keeps the place near the end.
SELECT (SELECT seq FROM head),
       (SELECT count(*)
          FROM (SELECT 1
                  FROM transactions
                 WHERE id > ?1
                   AND partner = ?2
                 LIMIT ?3)),
       EXISTS (SELECT 1 FROM entries WHERE seq > ?1 AND partner = ?2)
       OR EXISTS (SELECT 1 FROM dues WHERE seq > ?1 AND partner = ?2)
       OR EXISTS (SELECT 1 FROM transactions WHERE id > ?1 AND partner = ?2),
       EXISTS (SELECT 1 FROM statements WHERE seq > ?1 AND partner = ?2)
       OR EXISTS (SELECT 1 FROM steps p JOIN statements s ON s.id = p.statement
                   WHERE p.seq > ?1 AND s.partner = ?2),
       EXISTS (SELECT 1 FROM codes WHERE seq > ?1 AND partner = ?2),
       EXISTS (SELECT 1 FROM clicks WHERE seq > ?1 AND partner = ?2);

-- Who would like to become a partner.

-- name: insert-application
INSERT INTO applications (at, name, email, mobile, places, note, code, state)
VALUES (?, ?, ?, ?, ?, ?, ?, 'open');

-- name: withdraw-application
DELETE FROM applications
 WHERE email = ?
   AND state = 'open';

-- name: drop-old-applications
DELETE FROM applications
 WHERE state = 'refused'
   AND at < ?;

-- name: count-applications
-- Up to so many.
SELECT count(*)
  FROM (SELECT 1
          FROM applications
         WHERE state = 'open'
         LIMIT ?);

-- name: open-application
SELECT name, email, mobile, code
  FROM applications
 WHERE id = ?
   AND state = 'open';

-- name: settle-application
UPDATE applications
   SET state = ?,
       code  = ?
 WHERE id = ?;

-- name: applications
SELECT id, at, name, email, mobile, places, note, code, state
  FROM applications
 WHERE id < ?
 ORDER BY id DESC
 LIMIT ?;

-- name: bodies-behind
-- Those that are still to be looked at for a reference of the bank.
SELECT b.notification, n.at, b.body, b.packing, b.key, n.body_mac
  FROM bodies b
  JOIN notifications n ON n.seq = b.notification
 WHERE b.notification > (SELECT seq FROM banks_done)
 ORDER BY b.notification
 LIMIT ?;

-- name: insert-bank
INSERT INTO banks (bank, notification)
VALUES (?, ?)
    ON CONFLICT DO NOTHING;

-- name: banks-done
UPDATE banks_done
   SET seq = max(seq, ?);

-- name: delete-old-banks
DELETE FROM banks
 WHERE bank < ?;

-- name: delete-bank
-- Of a message whose body goes: it is looked for among those of its day.
DELETE FROM banks
 WHERE notification = ?1
   AND bank >= (((SELECT at FROM notifications WHERE seq = ?1) + 19800000) / 86400000) << 40
   AND bank < (((SELECT at FROM notifications WHERE seq = ?1) + 19800000) / 86400000 + 1) << 40;
