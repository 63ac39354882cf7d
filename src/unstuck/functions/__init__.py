"""The mathematics a network is made of: every function beside its derivative, every update beside its formula."""
