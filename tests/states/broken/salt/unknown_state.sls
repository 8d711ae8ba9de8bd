x:
  nosuchstate.present: []
