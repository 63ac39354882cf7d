"""Networks under diagnosis, whoever wrote them."""
