-- What the shop sells: plenty of most, three of one, none of another.
INSERT INTO products (sku, name, price, on_hand) VALUES
    ('KEYBOARD',   'Mechanical keyboard', 49.90, 1000000),
    ('MOUSE',      'Wireless mouse',      19.95, 1000000),
    ('MONITOR',    '27-inch monitor',    229.00, 1000000),
    ('HEADSET',    'Headset',             59.50, 1000000),
    ('LAST-THREE', 'The last three',       9.99, 3),
    ('SOLD-OUT',   'Sold out',            99.00, 0)
ON CONFLICT (sku) DO UPDATE SET name = EXCLUDED.name, price = EXCLUDED.price;
