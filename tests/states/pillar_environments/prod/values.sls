env: prod
only_prod: {{ saltenv }}
