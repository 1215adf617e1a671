# Keeps a pipe open until a container of a pod has ended: until-ended.sh POD CONTAINER
named="[?(@.name==\"$2\")].state.terminated.reason"
until kubectl get pod "$1" -o jsonpath="{.status.containerStatuses$named}{.status.ephemeralContainerStatuses$named}" 2>/dev/null | grep -q .
do sleep 0.1
done
