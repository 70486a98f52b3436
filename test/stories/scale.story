# endpoints follow the size of a Deployment, up, down and to nothing
apply
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 1
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web}}
      spec: {containers: [{name: web, image: echo}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: None, ports: [{port: 80}]}
slices web
----
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-759698769-~a on n1

scale deploy/web 2
wait 60s
scale deploy/web 3
get deploy
slices web
dig A web.default.svc.cluster.local
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    3/3     3            3
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-759698769-~a on n1
  10.244.0.3 ready serving web-759698769-~b on n1
  10.244.0.4 ready serving web-759698769-~c on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.2
web.default.svc.cluster.local. 5 IN A 10.244.0.3
web.default.svc.cluster.local. 5 IN A 10.244.0.4

# of Pods that are all ready, and not of one age, the youngest goes
scale deploy/web 2
get deploy
slices web
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    2/2     2            2
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-759698769-~a on n1
  10.244.0.3 ready serving web-759698769-~b on n1

scale deploy/web 0
get deploy
get pods
slices web
dig A web.default.svc.cluster.local
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    0/0     0            0
No resources found
web-~a IPv4 no ports
NXDOMAIN

events deploy/web
----
Normal ScalingReplicaSet x1 Scaled up replica set web-759698769 from 0 to 1
Normal ScalingReplicaSet x1 Scaled up replica set web-759698769 from 1 to 2
Normal ScalingReplicaSet x1 Scaled up replica set web-759698769 from 2 to 3
Normal ScalingReplicaSet x1 Scaled down replica set web-759698769 from 3 to 2
Normal ScalingReplicaSet x1 Scaled down replica set web-759698769 from 2 to 0
