{{ owner }}: key of {{ owner }}
