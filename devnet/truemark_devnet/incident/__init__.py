"""The incident, replayed: a database is upgraded under running keepers, on a venue without guards and a guarded one."""
