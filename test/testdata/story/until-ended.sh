# Keeps a pipe open until a container of a pod has ended, once at least: until-ended.sh POD CONTAINER
of() { printf '{.status.%s[?(@.name=="%s")].%s.terminated.reason}' "$1" "$2" "$3"; }
ended="$(of containerStatuses "$2" state)$(of containerStatuses "$2" lastState)$(of ephemeralContainerStatuses "$2" state)"
until kubectl get pod "$1" -o jsonpath="$ended" 2>/dev/null | grep -q .
do sleep 0.1
done
