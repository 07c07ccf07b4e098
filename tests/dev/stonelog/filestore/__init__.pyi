from filestore import *
