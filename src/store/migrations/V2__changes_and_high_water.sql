-- The highest order number known at the broker when the order was sent.
ALTER TABLE orders ADD COLUMN high_water TEXT;
-- The terms of a change that the broker took or may have taken, as JSON, until its book shows them.
ALTER TABLE orders ADD COLUMN pending TEXT;
