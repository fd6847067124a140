// Express, Paytm's own library and better-sqlite3: what a developer writes who works in JavaScript. It
// is one process, because SQLite has one writer. The routes are those of all peers; see ../doc.go.
'use strict';

process.env.NODE_ENV = 'production'; // for Express

const net = require('node:net');
const express = require('express');
const flags = require('./flags');
const message = require('./message');
const open = require('./books');

const { listen, data, key } = flags('listen', 'data', 'key');
const [, host, port] = /^(.*):(\d+)$/.exec(listen) || [];
if (!net.isIPv4(host) || !host.startsWith('127.')) {
  process.stderr.write(`--listen ${listen}: name an address such as 127.0.0.1:8090\n`);
  process.exit(2);
}
const books = open(data);

const app = express();
app.disable('x-powered-by');
app.disable('etag'); // a hash over each answer

// The body as it came: the checksum is over what it says, and the bytes themselves are kept.
const raw = express.raw({ type: () => true, limit: '64kb' });

app.post('/webhooks/paytm', raw, (req, res) => {
  let fields;
  let genuine;
  try {
    fields = message.parse(req.body);
    genuine = message.verify(fields, key);
  } catch {
    return res.sendStatus(400); // what the library can't handle, such as a repeated name
  }
  if (!genuine) {
    return res.sendStatus(401);
  }
  const payment = message.payment(fields);
  return res.json({ result: payment ? books.book(payment, req.body) : 'ignored' });
});

app.post('/seed', express.text({ type: () => true, limit: '256mb' }), (req, res) => {
  books.seed(req.body);
  res.end();
});

app.get('/count', (_req, res) => res.json(books.count()));
app.get('/ready', (_req, res) => res.end());

// What the books refuse is worth coming back for; what Express refuses has a status of its own.
app.use((error, _req, res, _next) => {
  process.stderr.write(`${error.stack}\n`);
  res.sendStatus(error.status || (error instanceof RangeError ? 400 : 503));
});

const server = app.listen(Number(port), host, (error) => {
  if (error) {
    throw error;
  }
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => server.close(() => books.close()));
}
