complete -c messengerd -l config -d 'Read this file alone, and none under /usr/lib/messengerd and /etc/messengerd' -r -F
complete -c messengerd -l root -d 'Look for /usr/lib/messengerd and /etc/messengerd below this directory' -r -F
complete -c messengerd -l set -d 'Set a key, whatever files and environment say; may be repeated' -r
complete -c messengerd -l check-config -d 'Say all that is wrong with the configuration, or that it is fine, and exit'
complete -c messengerd -s h -l help -d 'Print help (see more with \'--help\')'
complete -c messengerd -s V -l version -d 'Print version'
