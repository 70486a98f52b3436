# a rolling update: new Pods take over as they become ready, and never fewer than wanted serve
apply
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: web}
  spec:
    replicas: 1
    strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
    selector: {matchLabels: {app: web}}
    template:
      metadata: {labels: {app: web, version: "1"}}
      spec: {containers: [{name: web, image: "web:1", readinessProbe: {httpGet: {port: 80}}}]}
  ---
  apiVersion: v1
  kind: Service
  metadata: {name: web}
  spec: {selector: {app: web}, clusterIP: None, ports: [{port: 80}]}
ready app=web
wait 60s
scale deploy/web 2
ready app=web
get deploy
slices web
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    2/2     2            2
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-5fccdbbf97-~a on n1
  10.244.0.3 ready serving web-5fccdbbf97-~b on n1

# one Pod more, which does not answer yet: nothing else happens
patch deploy/web
  {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
get deploy
get rs
slices web
dig A web.default.svc.cluster.local
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    2/2     1            2
NAME             DESIRED   CURRENT   READY
web-5fccdbbf97   2         2         2
web-d9f4b7f5d    1         1         0
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-5fccdbbf97-~a on n1
  10.244.0.3 ready serving web-5fccdbbf97-~b on n1
  10.244.0.4 not-ready web-d9f4b7f5d-~a on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.2
web.default.svc.cluster.local. 5 IN A 10.244.0.3

# it answers: an old one goes and the next new one comes
ready version=2
get rs
slices web
----
NAME             DESIRED   CURRENT   READY
web-5fccdbbf97   1         1         1
web-d9f4b7f5d    2         2         1
web-~a IPv4 80/TCP
  10.244.0.2 ready serving web-5fccdbbf97-~a on n1
  10.244.0.4 ready serving web-d9f4b7f5d-~a on n1
  10.244.0.5 not-ready web-d9f4b7f5d-~b on n1

ready version=2
get deploy
get rs
slices web
dig A web.default.svc.cluster.local
----
NAME   READY   UP-TO-DATE   AVAILABLE
web    2/2     2            2
NAME             DESIRED   CURRENT   READY
web-5fccdbbf97   0         0         0
web-d9f4b7f5d    2         2         2
web-~a IPv4 80/TCP
  10.244.0.4 ready serving web-d9f4b7f5d-~a on n1
  10.244.0.5 ready serving web-d9f4b7f5d-~b on n1
NOERROR
web.default.svc.cluster.local. 5 IN A 10.244.0.4
web.default.svc.cluster.local. 5 IN A 10.244.0.5

# back to the first: its ReplicaSet is used again
patch deploy/web
  {"spec": {"template": {"metadata": {"labels": {"version": "1"}}}}}
ready version=1
ready version=1
get rs
slices web
events deploy/web
----
NAME             DESIRED   CURRENT   READY
web-5fccdbbf97   2         2         2
web-d9f4b7f5d    0         0         0
web-~a IPv4 80/TCP
  10.244.0.6 ready serving web-5fccdbbf97-~c on n1
  10.244.0.7 ready serving web-5fccdbbf97-~d on n1
Normal ScalingReplicaSet x2 Scaled up replica set web-5fccdbbf97 from 0 to 1
Normal ScalingReplicaSet x2 Scaled up replica set web-5fccdbbf97 from 1 to 2
Normal ScalingReplicaSet x1 Scaled up replica set web-d9f4b7f5d from 0 to 1
Normal ScalingReplicaSet x1 Scaled down replica set web-5fccdbbf97 from 2 to 1
Normal ScalingReplicaSet x1 Scaled up replica set web-d9f4b7f5d from 1 to 2
Normal ScalingReplicaSet x1 Scaled down replica set web-5fccdbbf97 from 1 to 0
Normal ScalingReplicaSet x1 Scaled down replica set web-d9f4b7f5d from 2 to 1
Normal ScalingReplicaSet x1 Scaled down replica set web-d9f4b7f5d from 1 to 0
