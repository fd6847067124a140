// The books, in SQLite. Everything here is done at once, as better-sqlite3 does it: while one payment is
// booked, no other is.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const Database = require('better-sqlite3');

module.exports = function open(folder) {
  fs.mkdirSync(folder, { recursive: true });
  const db = new Database(path.join(folder, 'books.db'));
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL'); // an fsync of the journal with every commit
  db.pragma('cache_size = -65536'); // 64 MiB, for the indexes
  db.pragma('temp_store = MEMORY');
  db.exec(fs.readFileSync(path.join(__dirname, 'schema.sql'), 'utf8'));

  const pay = db.prepare(`INSERT INTO payments (txn_id, order_id, amount) VALUES (?, ?, ?)
    ON CONFLICT DO NOTHING`);
  const credit = db.prepare(`INSERT INTO commissions (payment_id, partner_id, amount)
    SELECT ?, clicks.partner_id, ? FROM orders JOIN clicks ON clicks.id = orders.click_id
    WHERE orders.id = ?`);
  const keep = db.prepare('INSERT INTO messages (payment_id, body) VALUES (?, ?)');
  const partner = db.prepare('INSERT INTO partners (code) VALUES (?) ON CONFLICT DO NOTHING');
  const click = db.prepare(`INSERT INTO clicks (id, partner_id)
    SELECT ?, id FROM partners WHERE code = ? ON CONFLICT DO NOTHING`);
  const order = db.prepare('INSERT INTO orders (id, click_id) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const counts = db.prepare(`SELECT (SELECT count(*) FROM payments) AS payments,
    (SELECT count(*) FROM commissions) AS commissions, (SELECT count(*) FROM messages) AS messages`);

  return {
    // book keeps a payment once, and says how.
    book: db.transaction((payment, body) => {
      const paid = pay.run(payment.txnId, payment.orderId, payment.amount);
      if (paid.changes === 0) {
        return 'duplicate';
      }
      const credited = credit.run(paid.lastInsertRowid, payment.commission, payment.orderId);
      keep.run(paid.lastInsertRowid, body);
      return credited.changes === 0 ? 'unattributed' : 'credited';
    }).immediate,

    // seed takes lines of an order, its click and the partner, separated by tabs.
    seed: db.transaction((text) => {
      for (const line of text.split('\n')) {
        if (line === '') {
          continue;
        }
        const parts = line.split('\t');
        if (parts.length !== 3) {
          throw new RangeError(`${line}: write order id, click id and partner, separated by tabs`);
        }
        const [orderId, clickId, code] = parts;
        partner.run(code);
        click.run(clickId, code);
        order.run(orderId, clickId);
      }
    }),

    count: () => counts.get(),
    close: () => db.close(),
  };
};
