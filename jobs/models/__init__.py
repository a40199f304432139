"""What machines and users say of models, in Redis: inventories, names, records."""
