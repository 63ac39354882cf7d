"""The diagnosis of a network in a person's own code: its functions are examined, and the network they compute tried."""
