// How many messages a second can be verified: --body is a file with one message, --key one with the
// merchant's key. It prints a line for each measurement: what, and how often in a second.
'use strict';

const { readFileSync } = require('node:fs');
const { parse, verify } = require('./message');
const paytm = require('paytmchecksum');
const flags = require('./flags');

const { key, body: file } = flags('key', 'body');
const body = readFileSync(file);
const { CHECKSUMHASH: checksum, ...fields } = parse(body);

// rate runs something for half a second, so that it is compiled, and then counts for two.
function rate(once) {
  repeat(500);
  const from = process.hrtime.bigint();
  const times = repeat(2000);
  return (times / Number(process.hrtime.bigint() - from)) * 1e9;

  function repeat(milliseconds) {
    const end = process.hrtime.bigint() + BigInt(milliseconds) * 1000000n;
    let n = 0;
    while (process.hrtime.bigint() < end) {
      for (let i = 0; i < 100; i++, n++) { // the clock is not what is measured
        if (!once()) {
          process.stderr.write('the message does not verify\n');
          process.exit(1);
        }
      }
    }
    return n;
  }
}

const both = rate(() => verify(parse(body), key));
const alone = rate(() => paytm.verifySignature(fields, key, checksum));
process.stdout.write(`parse+verify ${both.toFixed(1)}\nverify ${alone.toFixed(1)}\n`);
