value: of base
