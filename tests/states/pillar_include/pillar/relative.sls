relative: yes
