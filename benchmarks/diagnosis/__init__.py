"""What the diagnosis is judged with: networks that fail, networks with faults put in, and healthy ones."""
