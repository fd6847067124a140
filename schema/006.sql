-- People who sign in, what they did, and raw bodies that are encrypted.

-- Raw messages that are sealed (seal.go): key is the first four bytes of the SHA-256 of the key that did it,
-- NULL for a message that is not. The body is then nonce (12 bytes), AES-256-GCM of what packing says, tag
-- (16), and opens only in the row that it was sealed for, by its MAC or its digest.
ALTER TABLE bodies ADD COLUMN key BLOB;
CREATE INDEX bodies_by_key ON bodies (key) WHERE key IS NOT NULL;
ALTER TABLE forwards ADD COLUMN key BLOB; -- NULL again once the shop has taken the message
CREATE INDEX forwards_by_key ON forwards (key) WHERE key IS NOT NULL;
