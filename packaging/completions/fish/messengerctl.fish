# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_messengerctl_global_optspecs
    string join \n h/help V/version
end

function __fish_messengerctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_messengerctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_messengerctl_using_subcommand
    set -l cmd (__fish_messengerctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c messengerctl -n "__fish_messengerctl_needs_command" -s h -l help -d 'Print help'
complete -c messengerctl -n "__fish_messengerctl_needs_command" -s V -l version -d 'Print version'
complete -c messengerctl -n "__fish_messengerctl_needs_command" -f -a "config" -d 'Check, show or explain the configuration'
complete -c messengerctl -n "__fish_messengerctl_needs_command" -f -a "reload" -d 'Have the running daemon take the new configuration, and say what became of it'
complete -c messengerctl -n "__fish_messengerctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -s h -l help -d 'Print help'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "check" -d 'Say all that is wrong with the configuration, or that it is fine'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "show" -d 'Show the value of each key, and where it was set'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "example" -d 'Print a configuration file with every key, its documentation and its default'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and not __fish_seen_subcommand_from check show example help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Read this file alone, and none under /usr/lib/messengerd and /etc/messengerd' -r -F
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from check" -l root -d 'Look for /usr/lib/messengerd and /etc/messengerd below this directory' -r -F
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from check" -l set -d 'Set a key, whatever files and environment say; may be repeated' -r
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'Read this file alone, and none under /usr/lib/messengerd and /etc/messengerd' -r -F
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from show" -l root -d 'Look for /usr/lib/messengerd and /etc/messengerd below this directory' -r -F
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from show" -l set -d 'Set a key, whatever files and environment say; may be repeated' -r
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Show it as JSON'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from example" -s h -l help -d 'Print help'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say all that is wrong with the configuration, or that it is fine'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show the value of each key, and where it was set'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "example" -d 'Print a configuration file with every key, its documentation and its default'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand reload" -l socket -d 'The daemon\'s control socket' -r -F
complete -c messengerctl -n "__fish_messengerctl_using_subcommand reload" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and not __fish_seen_subcommand_from config reload help" -f -a "config" -d 'Check, show or explain the configuration'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and not __fish_seen_subcommand_from config reload help" -f -a "reload" -d 'Have the running daemon take the new configuration, and say what became of it'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and not __fish_seen_subcommand_from config reload help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Say all that is wrong with the configuration, or that it is fine'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "show" -d 'Show the value of each key, and where it was set'
complete -c messengerctl -n "__fish_messengerctl_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "example" -d 'Print a configuration file with every key, its documentation and its default'
