// Answers questions about Paytm's own checksum library, one JSON object a line on stdin, one
// answer a line on stdout:
//
//   {"kit": "1.5.1", "do": "sign", "key": K, "input": I}                  -> {"checksum": C}
//   {"kit": "1.5.0", "do": "verify", "key": K, "input": I, "checksum": C} -> {"valid": true}
//
// The input is an object (the form of a map) or a string. What the library throws comes back as
// {"error": text}.
'use strict';

const kits = {
  '1.5.0': require('paytmchecksum-150'),
  '1.5.1': require('paytmchecksum-151'),
};

// The library prints its decryption errors, which would mix with the answers.
console.log = () => {};

async function answer(question) {
  const kit = kits[question.kit];
  if (question.do === 'sign') {
    return { checksum: await kit.generateSignature(question.input, question.key) };
  }
  return { valid: await kit.verifySignature(question.input, question.key, question.checksum) };
}

const lines = require('readline').createInterface({ input: process.stdin });

(async () => {
  for await (const line of lines) {
    let reply;
    try {
      reply = await answer(JSON.parse(line));
    } catch (error) {
      reply = { error: String(error && error.message || error) };
    }
    process.stdout.write(JSON.stringify(reply) + '\n');
  }
})();
