complete --keep-order --exclusive --command messenger --arguments "(COMPLETE=fish messenger -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
