"""Liberty cell libraries: reading, the data they hold, boolean functions, and compact fitted copies."""
