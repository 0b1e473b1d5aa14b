"""The fields of Kubernetes' core kinds and of what pods consist of, in the notation of `notation`.

https://github.com/kubernetes/api/blob/v0.36.3/core/v1/types.go
"""

TYPES = """
ObjectMeta: name generateName namespace selfLink uid resourceVersion generation:long
  creationTimestamp:time deletionTimestamp:time deletionGracePeriodSeconds:long labels:{str}
  annotations:{str} ownerReferences:[OwnerReference/uid] finalizers:[str+] managedFields:[any]
OwnerReference!: apiVersion* kind* name* uid* controller:bool blockOwnerDeletion:bool
LabelSelector!: matchLabels:{str} matchExpressions:[LabelSelectorRequirement]
LabelSelectorRequirement: key* operator* values:[str]
Condition: type* status* observedGeneration:long lastTransitionTime:time lastUpdateTime:time
  lastHeartbeatTime:time lastProbeTime:time reason message
LocalObjectReference!: name
ObjectReference!: kind namespace name uid apiVersion resourceVersion fieldPath

Namespace: spec:NamespaceSpec status:NamespaceStatus
NamespaceSpec: finalizers:[str]
NamespaceStatus: phase conditions:[Condition/type]

ConfigMap: data:{str} binaryData:{bytes} immutable:bool
Secret: data:{bytes} stringData:{str} type immutable:bool
ServiceAccount: secrets:[ObjectReference/name] imagePullSecrets:[LocalObjectReference/name]
  automountServiceAccountToken:bool

Service: spec:ServiceSpec status:ServiceStatus
ServiceSpec: ports:[ServicePort/port,protocol] selector:{str}! clusterIP clusterIPs:[str] type
  externalIPs:[str] sessionAffinity loadBalancerIP loadBalancerSourceRanges:[str] externalName
  externalTrafficPolicy healthCheckNodePort:int publishNotReadyAddresses:bool
  sessionAffinityConfig:any ipFamilies:[str] ipFamilyPolicy allocateLoadBalancerNodePorts:bool
  loadBalancerClass internalTrafficPolicy trafficDistribution
ServicePort: name protocol appProtocol port*:int targetPort:ios nodePort:int
ServiceStatus: loadBalancer:LoadBalancerStatus conditions:[Condition/type]
LoadBalancerStatus: ingress:[LoadBalancerIngress]
LoadBalancerIngress: ip hostname ipMode ports:[any]

Endpoints: subsets:[EndpointSubset]
EndpointSubset: addresses:[EndpointAddress] notReadyAddresses:[EndpointAddress]
  ports:[EndpointPort]
EndpointAddress!: ip* hostname nodeName targetRef:ObjectReference
EndpointPort!: name port*:int protocol appProtocol

CoreEvent: involvedObject*:ObjectReference reason message source:EventSource firstTimestamp:time
  lastTimestamp:time count:int type eventTime:time series:EventSeries action
  related:ObjectReference reportingComponent reportingInstance
EventSource: component host
EventSeries: count:int lastObservedTime:time

Node: spec:NodeSpec status:NodeStatus
NodeSpec: podCIDR podCIDRs:[str+] providerID unschedulable:bool taints:[Taint] configSource:any
  externalID
Taint: key* value effect* timeAdded:time
NodeStatus: capacity:{qty} allocatable:{qty} phase conditions:[Condition/type]
  addresses:[NodeAddress/type] daemonEndpoints:any nodeInfo:NodeSystemInfo images:[any]
  volumesInUse:[str] volumesAttached:[any] config:any runtimeHandlers:[any] features:any
NodeAddress: type* address*
NodeSystemInfo: machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion
  kubeletVersion kubeProxyVersion operatingSystem architecture swap:any

PersistentVolumeClaim: spec:PersistentVolumeClaimSpec status:PersistentVolumeClaimStatus
PersistentVolumeClaimSpec: accessModes:[str] selector:LabelSelector
  resources:VolumeResourceRequirements volumeName storageClassName volumeMode dataSource:any
  dataSourceRef:any volumeAttributesClassName
VolumeResourceRequirements: limits:{qty} requests:{qty}
PersistentVolumeClaimStatus: phase accessModes:[str] capacity:{qty} conditions:[Condition/type]
  allocatedResources:{qty} allocatedResourceStatuses:{str} currentVolumeAttributesClassName
  modifyVolumeStatus:any
PersistentVolume: spec:any status:any

Pod: spec:PodSpec status:PodStatus
PodTemplateSpec: metadata:ObjectMeta spec:PodSpec
PodSpec: volumes:[Volume/name]~ initContainers:[Container/name] containers*:[Container/name]
  ephemeralContainers:[Container/name] restartPolicy terminationGracePeriodSeconds:long
  activeDeadlineSeconds:long dnsPolicy nodeSelector:{str}! serviceAccountName serviceAccount
  automountServiceAccountToken:bool nodeName hostNetwork:bool hostPID:bool hostIPC:bool
  shareProcessNamespace:bool securityContext:PodSecurityContext
  imagePullSecrets:[LocalObjectReference/name] hostname subdomain affinity:Affinity schedulerName
  tolerations:[Toleration] hostAliases:[HostAlias/ip] priorityClassName priority:int dnsConfig:any
  readinessGates:[any] runtimeClassName enableServiceLinks:bool preemptionPolicy overhead:{qty}
  topologySpreadConstraints:[TopologySpreadConstraint/topologyKey,whenUnsatisfiable]
  setHostnameAsFQDN:bool os:any hostUsers:bool schedulingGates:[any] resourceClaims:[any]
  resources:ResourceRequirements
PodSecurityContext: seLinuxOptions:any windowsOptions:any runAsUser:long runAsGroup:long
  runAsNonRoot:bool supplementalGroups:[long] supplementalGroupsPolicy fsGroup:long
  sysctls:[any] fsGroupChangePolicy seccompProfile:any appArmorProfile:any
HostAlias: ip* hostnames:[str]
Affinity: nodeAffinity:NodeAffinity podAffinity:any podAntiAffinity:any
NodeAffinity: requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution:[PreferredSchedulingTerm]
NodeSelector!: nodeSelectorTerms*:[NodeSelectorTerm]
NodeSelectorTerm!: matchExpressions:[LabelSelectorRequirement]
  matchFields:[LabelSelectorRequirement]
PreferredSchedulingTerm: weight*:int preference*:NodeSelectorTerm
Toleration: key operator value effect tolerationSeconds:long
TopologySpreadConstraint: maxSkew*:int topologyKey* whenUnsatisfiable* labelSelector:LabelSelector
  minDomains:int nodeAffinityPolicy nodeTaintsPolicy matchLabelKeys:[str]

Container: name* image command:[str] args:[str] workingDir
  ports:[ContainerPort/containerPort,protocol] envFrom:[EnvFromSource] env:[EnvVar/name]
  resources:ResourceRequirements resizePolicy:[any] restartPolicy restartPolicyRules:[any]
  volumeMounts:[VolumeMount/mountPath] volumeDevices:[VolumeDevice/devicePath]
  livenessProbe:Probe readinessProbe:Probe startupProbe:Probe lifecycle:Lifecycle
  terminationMessagePath terminationMessagePolicy imagePullPolicy
  securityContext:SecurityContext stdin:bool stdinOnce:bool tty:bool targetContainerName
ContainerPort: name hostPort:int containerPort*:int protocol hostIP
EnvFromSource: prefix configMapRef:ConfigMapEnvSource secretRef:ConfigMapEnvSource
ConfigMapEnvSource: name optional:bool
EnvVar: name* value valueFrom:EnvVarSource
EnvVarSource: fieldRef:ObjectFieldSelector resourceFieldRef:ResourceFieldSelector
  configMapKeyRef:KeySelector secretKeyRef:KeySelector fileKeyRef:any
ObjectFieldSelector!: apiVersion fieldPath*
ResourceFieldSelector!: containerName resource* divisor:qty
KeySelector!: name key* optional:bool
ResourceRequirements: limits:{qty} requests:{qty} claims:[any]
VolumeMount: name* readOnly:bool mountPath* subPath mountPropagation subPathExpr recursiveReadOnly
VolumeDevice: name* devicePath*
Probe: exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction grpc:any
  initialDelaySeconds:int timeoutSeconds:int periodSeconds:int successThreshold:int
  failureThreshold:int terminationGracePeriodSeconds:long
ExecAction: command:[str]
HTTPGetAction: path port*:ios host scheme httpHeaders:[HTTPHeader]
HTTPHeader: name* value*
TCPSocketAction: port*:ios host
Lifecycle: postStart:LifecycleHandler preStop:LifecycleHandler stopSignal
LifecycleHandler: exec:ExecAction httpGet:HTTPGetAction tcpSocket:TCPSocketAction sleep:any
SecurityContext: capabilities:Capabilities privileged:bool seLinuxOptions:any windowsOptions:any
  runAsUser:long runAsGroup:long runAsNonRoot:bool readOnlyRootFilesystem:bool
  allowPrivilegeEscalation:bool procMount seccompProfile:any appArmorProfile:any
Capabilities: add:[str] drop:[str]

Volume: name* emptyDir:EmptyDirVolumeSource hostPath:HostPathVolumeSource
  secret:SecretVolumeSource configMap:ConfigMapVolumeSource
  persistentVolumeClaim:ClaimVolumeSource projected:any downwardAPI:any ephemeral:any csi:any
  nfs:any image:any azureDisk:any azureFile:any iscsi:any fc:any local:any
EmptyDirVolumeSource: medium sizeLimit:qty
HostPathVolumeSource: path* type
SecretVolumeSource: secretName items:[KeyToPath] defaultMode:int optional:bool
ConfigMapVolumeSource: name items:[KeyToPath] defaultMode:int optional:bool
KeyToPath: key* path* mode:int
ClaimVolumeSource: claimName* readOnly:bool

PodStatus: observedGeneration:long phase conditions:[Condition/type] message reason
  nominatedNodeName hostIP hostIPs:[any] podIP podIPs:[PodIP/ip] startTime:time
  initContainerStatuses:[ContainerStatus] containerStatuses:[ContainerStatus] qosClass
  ephemeralContainerStatuses:[ContainerStatus] resize resourceClaimStatuses:[any]
  extendedResourceClaimStatus:any allocatedResources:{qty} resources:any
PodIP: ip*
ContainerStatus: name* state:ContainerState lastState:ContainerState ready:bool restartCount:int
  image imageID containerID started:bool allocatedResources:{qty} resources:any
  volumeMounts:[any] user:any allocatedResourcesStatus:[any] stopSignal
ContainerState: waiting:ContainerStateWaiting running:ContainerStateRunning
  terminated:ContainerStateTerminated
ContainerStateWaiting: reason message
ContainerStateRunning: startedAt:time
ContainerStateTerminated: exitCode*:int signal:int reason message startedAt:time finishedAt:time
  containerID
"""
