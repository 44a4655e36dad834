# SPDX-License-Identifier: ISC
# Completion of posternctl(8) in bash. Its commands are compared with `posternctl --help` by a test.

_posternctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} words=() options=() choices i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s) options=(-s "${COMP_WORDS[++i]}") ;;
		-n | -i | --by | --waiting | --spool | --sender | --recipient | --domain | --destination | --older | --newer | --larger | --smaller | --cause | --state | --event | --since | --until | --host | --message-id)
			((i++))
			;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-s)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--spool)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return
		;;
	--cause)
		choices="none answer greylist their-limit our-limit dns connection tls here pause"
		mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
		return
		;;
	--event)
		choices="accepted delivered deferred bounced expired removed relayed delayed rejected"
		mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
		return
		;;
	--state)
		mapfile -t COMPREPLY < <(compgen -W "waiting ready running paused held" -- "$word")
		return
		;;
	-n | -i | --waiting | --sender | --recipient | --domain | --destination | --older | --newer | --larger | --smaller | --since | --until | --host | --message-id) return ;;
	--by)
		mapfile -t COMPREPLY < <(compgen -W "age destination" -- "$word")
		return
		;;
	esac
	case "${words[*]}" in
	"") choices="show why history monitor backup schedule hold release requeue bounce remove suspend pause resume log check-spool export restore stop" ;;
	show) choices="status queue destinations envelope message stats" ;;
	pause) choices="mda mta smtp" ;;
	resume) choices="mda mta smtp destination" ;;
	suspend) choices="destination" ;;
	"suspend destination" | "resume destination")
		choices=$("${COMP_WORDS[0]}" "${options[@]}" show destinations 2>/dev/null |
			awk 'NR > 1 { print $1 }' | head -n 100)
		;;
	log) choices="brief verbose" ;;
	schedule | hold | release | requeue | bounce | remove | why | history | "show envelope" | "show message")
		choices=$("${COMP_WORDS[0]}" "${options[@]}" show queue 2>/dev/null |
			awk 'length($1) == 16 && $1 ~ /^[0-9a-f]+$/ { print $1 }' | sort -u | head -n 100)
		[[ ${words[0]} =~ ^(show|why|history)$ ]] || choices+=" all"
		;;
	esac
	[[ $word == -* ]] && choices="-s -n -i --by --down --waiting --json --raw --merge --salvage --spool --help --version --dry-run --sender --recipient \
--domain --destination --older --newer --larger --smaller --cause --state --event --since --until --host --message-id --reverse --follow"
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}
complete -o default -F _posternctl posternctl
