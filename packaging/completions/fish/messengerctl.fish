complete --keep-order --exclusive --command messengerctl --arguments "(COMPLETE=fish messengerctl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
