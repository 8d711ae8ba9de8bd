site:
  name: Ängström
  port: 8080
  hosts: [alpha, beta]
