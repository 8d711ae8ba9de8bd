x: {{ not_there.at_all }}
