-- Forget a file. Its blobs are deleted, unless a batch still reads them.
-- KEYS: record, parts
-- ARGV: id
-- Returns whether it was there.
return drop_file(KEYS[1], KEYS[2], ARGV[1]) > 0
