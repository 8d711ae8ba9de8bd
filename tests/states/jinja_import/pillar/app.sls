app:
  port: 8080
  lookup:
    service: my-app
