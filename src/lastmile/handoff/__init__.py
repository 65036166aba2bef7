"""Docking, custody protocol, journal, locker link and receipts."""
