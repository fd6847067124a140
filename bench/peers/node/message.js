// How a message from Paytm is read and verified: with Paytm's own library.
'use strict';

const querystring = require('node:querystring');
const paytm = require('paytmchecksum');

// The library prints what it can't decrypt. A forgery is no news.
console.log = () => {};

// parse takes a form apart. The library wants an object with a prototype, which querystring's has not;
// giving it one is faster than a copy.
function parse(body) {
  return Object.setPrototypeOf(querystring.parse(body.toString()), Object.prototype);
}

// verify tells whether the merchant's key has made the checksum. The library takes the checksum out
// of the fields.
function verify(fields, key) {
  const checksum = fields.CHECKSUMHASH;
  return typeof checksum === 'string' && paytm.verifySignature(fields, key, checksum);
}

// payment is what a genuine message says of an order that was paid; null if it is about something else.
// Amounts are paise; the commission is 10 %, half a paisa rounded up.
function payment(fields) {
  const amount = /^(\d{1,12})(?:\.(\d{1,2}))?$/.exec(fields.TXNAMOUNT);
  if (fields.STATUS !== 'TXN_SUCCESS' || !fields.TXNID || !amount) {
    return null;
  }
  const paise = Number(amount[1]) * 100 + Number((amount[2] || '').padEnd(2, '0'));
  return {
    txnId: fields.TXNID,
    orderId: fields.ORDERID || '',
    amount: paise,
    commission: Math.floor((paise + 5) / 10),
  };
}

module.exports = { parse, verify, payment };
